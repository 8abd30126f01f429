# syntax=docker/dockerfile:1
# Three stages: build what is generated, install what runs, put both together. The sources run as they are
# (Node 24 strips the types), so the image needs no compiler of TypeScript, only the one for C submissions.
#
#   docker build -t ostler .
#   docker compose -f deploy/compose.yaml up --detach

FROM node:24-bookworm-slim AS base
WORKDIR /opt/ostler
ENV NPM_CONFIG_UPDATE_NOTIFIER=false

FROM base AS build
COPY package.json package-lock.json .npmrc ./
# No install scripts: they would fetch a second Node and engines that nothing uses.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
COPY deploy/setup deploy/setup
COPY proto proto
COPY prisma prisma
COPY kernel kernel
RUN node deploy/setup/build.mjs

FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts

FROM base
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc-riscv64-linux-gnu libc6-dev-riscv64-cross \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=node --group=node --mode=700 /data
COPY --from=dependencies /opt/ostler/node_modules node_modules
COPY --from=build /opt/ostler/proto proto
COPY --from=build /opt/ostler/prisma prisma
COPY --from=build /opt/ostler/kernel kernel
COPY package.json ./
COPY api api
RUN ln -s /opt/ostler/api/cli/ostler.mjs /usr/local/bin/ostler

ENV NODE_ENV=production \
    OSTLER_DATA=/data \
    OSTLER_HOST=0.0.0.0 \
    OSTLER_HTTP_PORT=8080 \
    OSTLER_GRPC_PORT=50051
USER node
VOLUME /data
EXPOSE 8080 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 \
  CMD ["node", "api/cli/ostler.mjs", "health", "--retry-for", "0"]
ENTRYPOINT ["node", "api/cli/ostler.mjs"]
CMD ["serve"]
