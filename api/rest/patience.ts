// Bodies that do not arrive: whoever sends nothing, or next to nothing, would hold a connection, and of the budget for
// uploads as much as he said he would send, for as long as he likes.
//
// Every so often it is looked how much has come since the last time; too little, and the request is answered with 408 and
// the connection closed. What waits to be read by us is our own slowness, and nobody is blamed for it.
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Patience } from "../patience.ts";

/** `refuse` answers on the bare connection, since nobody can know how far the request has come. */
export function limitPatience(app: FastifyInstance, patience: Patience, refuse: (socket: Socket) => void): void {
  app.addHook("onRequest", (request, _reply, done) => {
    if (hasBody(request)) watch(request, patience, refuse);
    done();
  });
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function watch({ raw }: FastifyRequest, patience: Patience, refuse: (socket: Socket) => void): void {
  const { socket } = raw;
  let before = socket.bytesRead;
  const timer = setInterval(() => {
    if (raw.complete || raw.destroyed || socket.destroyed) return clearInterval(timer);
    const arrived = socket.bytesRead - before;
    before = socket.bytesRead;
    if (arrived >= patience.leastBytesPerLook || raw.readableLength > 0) return;
    clearInterval(timer);
    refuse(socket);
    socket.destroySoon();
  }, patience.lookEveryMs);
  timer.unref();
  raw.once("close", () => clearInterval(timer));
}
