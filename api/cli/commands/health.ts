/** `ostler health`: does the server work? For people, and for the container's health check. */
import {
  Health,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../../proto/gen/grpc/health/v1/health_pb.js";
import { ExitCode } from "../failure.ts";
import { action } from "../session.ts";
import { leaf } from "../shared.ts";

const PATIENCE_MS = 5_000;

export const healthCommand = leaf("health", "ask whether the server works; status 0 when it does", [
  "ostler health && echo up",
]).action(
  action(async (session) => {
    const answer = await (await session.service(Health)).check(
      {},
      { deadlineMs: session.options.deadline ?? PATIENCE_MS },
    );
    const serving = answer.status === HealthCheckResponse_ServingStatus.SERVING;
    session.out.message(
      HealthCheckResponseSchema,
      answer,
      () => `${session.access.address}: ${serving ? "works" : "does not serve"}`,
    );
    return serving ? ExitCode.ok : ExitCode.failed;
  }),
);
