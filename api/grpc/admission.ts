// Who calls is asked before a message is read: grpc-js gathers a message of up to the limit for each of a thousand calls
// on a connection, and would do so for anybody.
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import type { OstlerError } from "../errors.ts";
import { type ActiveCalls, Call, type Operation, type Pipeline, perform } from "../operation.ts";
import { textHeaders, toServiceError } from "./status.ts";

/** What was learnt of a call at its admission, by the headers that came with it; its handler goes on from there. */
export type Admitted = WeakMap<Metadata, Pick<Call, "caller" | "requestHeaders">>;

export interface AdmissionHost {
  readonly pipeline: Pipeline;
  readonly active: ActiveCalls;
  readonly admitted: Admitted;
}

/** `operationAt`: by the path of the method; what is none of ours (health, unknown methods) passes. */
export function admission(
  host: AdmissionHost,
  operationAt: (path: string) => Operation | undefined,
): ServerInterceptor {
  return ({ path }, call) => {
    const operation = operationAt(path);
    if (operation === undefined) return new ServerInterceptingCall(call);
    let isCancelled = false;
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onCancel() {
            isCancelled = true;
          },
          onReceiveMetadata(metadata, forward) {
            void admit(host, openQuietly(operation, call.getPeer(), metadata), metadata).then((refusal) => {
              // A handler that begins after the end of its call would not hear of it.
              if (isCancelled) return;
              if (refusal === null) forward(metadata);
              else call.sendStatus(toServiceError(refusal));
            });
          },
        });
      },
    });
  };
}

function openQuietly({ method }: Operation, peer: string, metadata: Metadata): Call {
  return new Call({ transport: "grpc", method, peer, readHeaders: () => textHeaders(metadata) });
}

/** Null, or why not; a refusal goes through the pipeline, so that it is logged. */
async function admit(host: AdmissionHost, call: Call, metadata: Metadata): Promise<OstlerError | null> {
  try {
    await host.pipeline.authenticate(call);
    host.admitted.set(metadata, call);
    return null;
  } catch (error) {
    const refuse = () => Promise.reject(error);
    const pipeline = { ...behindAdmission(host.pipeline), authenticate: refuse };
    return perform(pipeline, host.active, call, async () => null).catch((refusal: OstlerError) => refusal);
  }
}

/** The pipeline for handlers behind the admission: who was admitted is not asked again. */
export function behindAdmission(pipeline: Pipeline): Pipeline {
  return {
    authenticate: (context) => (context.caller === undefined ? pipeline.authenticate(context) : undefined),
    onFinish: (context, code, durationMs, error) => pipeline.onFinish(context, code, durationMs, error),
  };
}
