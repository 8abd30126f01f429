// Who calls is asked before a message is read: grpc-js gathers a message of up to the limit for each of a thousand calls
// on a connection, and would do so for anybody. Of those who are known, only so much is gathered (gathering.ts).
import type { ServerHttp2Stream } from "node:http2";
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import type { OstlerError } from "../errors.ts";
import { type ActiveCalls, Call, isRequestStream, type Operation, type Pipeline, perform } from "../operation.ts";
import type { Gathered, Gathering } from "./gathering.ts";
import { textHeaders, toServiceError } from "./status.ts";

/** What was learnt of a call at its admission, by the headers that came with it; its handler goes on from there. */
export type Admitted = WeakMap<Metadata, Pick<Call, "caller" | "requestHeaders">>;

export interface AdmissionHost {
  readonly pipeline: Pipeline;
  readonly active: ActiveCalls;
  readonly admitted: Admitted;
  readonly gathering: Gathering;
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
    let gathered: Gathered | undefined;
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
              if (refusal !== null) return call.sendStatus(toServiceError(refusal));
              gathered = gather(host, operation, call, metadata);
              forward(metadata);
            });
          },
          onReceiveMessage(message, forward) {
            gathered?.taken();
            forward(message);
          },
        });
      },
    });
  };
}

function gather(
  host: AdmissionHost,
  operation: Operation,
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
): Gathered {
  // No interceptor is told of a message before it is whole: what comes of it is seen on the stream below.
  const { stream } = call as unknown as { stream: ServerHttp2Stream };
  const isOnlyMessage = !isRequestStream(operation.method);
  return host.gathering.watch(stream, isOnlyMessage, (error) => {
    call.sendStatus(toServiceError(error));
    // The handler of one message has not begun: nobody else would log it.
    if (isOnlyMessage) void refused(host, openQuietly(operation, call.getPeer(), metadata), error);
  });
}

function openQuietly({ method }: Operation, peer: string, metadata: Metadata): Call {
  return new Call({ transport: "grpc", method, peer, readHeaders: () => textHeaders(metadata) });
}

/** Null, or why not. */
async function admit(host: AdmissionHost, call: Call, metadata: Metadata): Promise<OstlerError | null> {
  try {
    await host.pipeline.authenticate(call);
    host.admitted.set(metadata, call);
    return null;
  } catch (error) {
    return refused(host, call, error);
  }
}

/** The refusal, as a client may hear it. It goes through the pipeline, so that it is logged. */
function refused(host: AdmissionHost, call: Call, error: unknown): Promise<OstlerError> {
  const pipeline = { ...behindAdmission(host.pipeline), authenticate: () => Promise.reject(error) };
  return perform<OstlerError>(pipeline, host.active, call, () => Promise.reject(error)).catch(
    (refusal: OstlerError) => refusal,
  );
}

/** The pipeline for handlers behind the admission: who was admitted is not asked again. */
export function behindAdmission(pipeline: Pipeline): Pipeline {
  return {
    authenticate: (context) => (context.caller === undefined ? pipeline.authenticate(context) : undefined),
    onFinish: (context, code, durationMs, error) => pipeline.onFinish(context, code, durationMs, error),
  };
}
