// Who calls is asked before a message is read: grpc-js gathers a message of up to the limit for each of a thousand calls
// on a connection, and would do so for anybody.
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import type { OstlerError } from "../errors.ts";
import { type ActiveCalls, Call, type Operation, type Pipeline, perform } from "../operation.ts";
import { textHeaders, toServiceError } from "./status.ts";

/** Callers by the headers that they sent; the handler of the call takes them from here. */
export type Admitted = WeakMap<Metadata, unknown>;

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
            const open = () => openQuietly(operation, call.getPeer(), metadata);
            void admit(host, open, metadata).then((refusal) => {
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
async function admit(host: AdmissionHost, open: () => Call, metadata: Metadata): Promise<OstlerError | null> {
  const context = open();
  try {
    await host.pipeline.authenticate(context);
    host.admitted.set(metadata, context.caller);
    return null;
  } catch {
    return perform(host.pipeline, host.active, open(), async () => null).catch((error: OstlerError) => error);
  }
}

/** The pipeline for handlers behind the admission: who was admitted is not asked again. */
export function behindAdmission(pipeline: Pipeline): Pipeline {
  return {
    authenticate: (context) => (context.caller === undefined ? pipeline.authenticate(context) : undefined),
    onFinish: (context, code, durationMs, error) => pipeline.onFinish(context, code, durationMs, error),
  };
}
