// What monitors and load balancers read, outside of the contract: /livez, /readyz, /healthz, /metrics.
import type { FastifyInstance, FastifyReply } from "fastify";
import type { OstlerError } from "../errors.ts";
import { sendProblem } from "./problem.ts";

export interface MonitorPages {
  readonly version: string;
  /** Looks now; resolves to why the server should not be sent calls, or "" when it should. */
  ready(): Promise<string>;
  readonly metrics: {
    readonly contentType: string;
    text(): Promise<string>;
    /** Throws what keeps the one who shows this header from reading them. */
    admit(authorization: string | undefined): Promise<void>;
  } | null;
}

export function mountMonitorPages(app: FastifyInstance, { version, ready, metrics }: MonitorPages): void {
  /** Answers as long as the event loop turns: a process that does not is to be started anew. */
  app.get("/livez", (_request, reply) => reply.send({ status: "ok", version }));
  const readiness = async (reply: FastifyReply) => {
    const why = await ready();
    if (why === "") return reply.send({ status: "ok", version });
    return reply.code(503).header("retry-after", "1").send({ status: "unavailable", version, why });
  };
  app.get("/readyz", (_request, reply) => readiness(reply));
  app.get("/healthz", (_request, reply) => readiness(reply));
  if (metrics === null) return;
  app.get("/metrics", async (request, reply) => {
    try {
      await metrics.admit(request.headers.authorization);
    } catch (error) {
      return sendProblem(reply, error as OstlerError);
    }
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
