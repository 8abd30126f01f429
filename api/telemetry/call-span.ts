/** The span of a client's call: whose child it is, what it says of the call, and which ends are the server's fault. */
import type { Attributes } from "@opentelemetry/api";
import { Code, codeName, OstlerError } from "../errors.ts";
import type { Context } from "../operation.ts";
import { describeSpan, inCallSpan } from "./spans.ts";

/** As OpenTelemetry's conventions for servers of RPCs have it; the others are the client's. */
const SERVER_FAULTS: readonly Code[] = [
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
  Code.DATA_LOSS,
];

const isServerFault = (error: unknown): boolean =>
  !(error instanceof OstlerError) || SERVER_FAULTS.includes(error.code);

/** Who called, if that was found out. */
export function callerId({ caller }: Context): string | undefined {
  const isNamed = typeof caller === "object" && caller !== null && "id" in caller && typeof caller.id === "string";
  return isNamed ? (caller.id as string) : undefined;
}

export function spanOfCall<Result>(call: Context, work: () => Promise<Result>): Promise<Result> {
  const { parent, name } = call.method;
  return inCallSpan(`${parent.typeName}/${name}`, () => call.requestHeaders, isServerFault, work);
}

/** To be said when the call has ended, inside its span. */
export function describeCall(call: Context, code: Code): void {
  describeSpan(() => attributesOf(call, code));
}

function attributesOf(call: Context, code: Code): Attributes {
  const user = callerId(call);
  return {
    "rpc.service": call.method.parent.typeName,
    "rpc.method": call.method.name,
    "ostler.transport": call.transport,
    "ostler.code": codeName(code),
    "ostler.request": call.requestId,
    "client.address": call.peer,
    ...(user !== undefined && { "user.id": user }),
    ...(call.courseId !== "" && { "ostler.course": call.courseId }),
    ...(call.target !== "" && { "ostler.target": call.target }),
  };
}
