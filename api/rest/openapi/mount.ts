// /openapi.json and the page /docs, which shows it. Everything is served from here; nothing is fetched from elsewhere.
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import type { Document } from "./document.ts";

/** `make` is called when somebody asks for the first time: most servers start, and many end, without. */
export async function mountDocument(app: FastifyInstance, make: () => Document): Promise<void> {
  let made: Document | null = null;
  const document = () => {
    made ??= make();
    return made;
  };
  let text: string | null = null;
  app.get("/openapi.json", (_request, reply) => {
    text ??= JSON.stringify(document());
    return reply.type("application/json; charset=utf-8").send(text);
  });
  // The page wants one from the start; what it serves of it is ours.
  await app.register(swagger, { mode: "static", specification: { document: { openapi: "3.1.0" } as never } });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    uiConfig: { url: "/openapi.json" },
    transformSpecification: document,
    transformSpecificationClone: false,
  });
}
