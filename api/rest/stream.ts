// Methods that answer with a stream: newline-delimited JSON, or server-sent events when the client asks for them.
//
// NDJSON: one message a line; a failure after the first line is a line {"error": problem}.
// Events: `data:` one message, `id:` its resume_token if it has one (a browser sends the last back as Last-Event-ID,
// which becomes resume_token of the request); a failure is `event: error`, the end is `event: end`, because a browser
// that merely sees the connection close asks again.
// The status line waits for the first message, but not long: an early failure then has its own status, and a stream
// that is quiet at first still opens.
import { setTimeout as sleep } from "node:timers/promises";
import { type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { OstlerError } from "../errors.ts";
import { type Call, type Outcome, perform, runForMany, untilDrained } from "../operation.ts";
import { abortWhenClosed, checkTimeoutHeader, closeIfUnread, openCall, type Route } from "./call.ts";
import { sendProblem, toProblem } from "./problem.ts";
import { readRequest } from "./request.ts";
import { answerJson, refuseStreamBody } from "./unary.ts";

const firstMessageWaitMs = 250;
const eventMediaType = "text/event-stream";

export function streamHandler(route: Route) {
  const { operation, binding, host } = route;
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const call = openCall(request, operation);
    abortWhenClosed(reply, call);
    const sink = new StreamSink(reply, call, wantsEvents(request), route);
    try {
      await perform(host.pipeline, host.active, call, async () => {
        checkTimeoutHeader(request);
        refuseStreamBody(request);
        const message = readRequest(binding, request, call);
        await sendAll(runForMany(operation, message, call), sink, call);
      });
      sink.end();
    } catch (error) {
      if (sink.opened) {
        sink.fail(error as OstlerError);
        return undefined;
      }
      closeIfUnread(request, reply);
      return sendProblem(reply, error as OstlerError);
    }
    return undefined;
  };
}

function wantsEvents(request: FastifyRequest): boolean {
  return (request.headers.accept ?? "").includes(eventMediaType);
}

async function sendAll(outcomes: AsyncGenerator<Outcome>, sink: StreamSink, call: Call): Promise<void> {
  const first = outcomes.next();
  const wait = new AbortController();
  const waited = sleep(firstMessageWaitMs, undefined, { signal: wait.signal }).catch(() => undefined);
  try {
    await Promise.race([first, waited]);
  } finally {
    wait.abort();
  }
  sink.open();
  try {
    for (let next = await first; !next.done; next = await outcomes.next()) {
      if (!sink.write(next.value)) await untilDrained(sink.reply.raw, call.signal);
    }
  } finally {
    await outcomes.return(undefined);
  }
}

class StreamSink {
  readonly reply: FastifyReply;
  opened = false;
  private readonly call: Call;
  private readonly events: boolean;
  private readonly route: Route;
  private readonly hasToken: boolean;
  private heartbeat: NodeJS.Timeout | undefined;

  constructor(reply: FastifyReply, call: Call, events: boolean, route: Route) {
    this.reply = reply;
    this.call = call;
    this.events = events;
    this.route = route;
    this.hasToken = events && hasResumeToken(route.binding.method.output);
  }

  open(): void {
    this.opened = true;
    this.reply.hijack();
    const { raw } = this.reply;
    raw.writeHead(200, {
      ...Object.fromEntries(this.call.setHeaders ?? []),
      "content-type": this.events ? eventMediaType : "application/x-ndjson",
      "cache-control": "no-cache",
      // nginx would otherwise hold messages back to fill a buffer.
      "x-accel-buffering": "no",
    });
    raw.flushHeaders();
    if (this.events) this.beat();
  }

  /** False when the client must catch up first. */
  write(outcome: Outcome): boolean {
    const json = answerJson(this.route.binding, outcome);
    const text = JSON.stringify(json);
    this.heartbeat?.refresh();
    return this.reply.raw.write(this.events ? `${this.idLine(json)}data: ${text}\n\n` : `${text}\n`);
  }

  end(): void {
    this.finish(this.events ? "event: end\ndata: {}\n\n" : "");
  }

  fail(error: OstlerError): void {
    const problem = JSON.stringify(toProblem(error, this.reply.request.url));
    this.finish(this.events ? `event: error\ndata: ${problem}\n\n` : `{"error":${problem}}\n`);
  }

  private finish(last: string): void {
    clearInterval(this.heartbeat);
    if (!this.reply.raw.destroyed) this.reply.raw.end(last);
  }

  private beat(): void {
    this.heartbeat = setInterval(() => {
      const { raw } = this.reply;
      if (!raw.destroyed && !raw.writableNeedDrain) raw.write(": alive\n\n");
    }, this.route.host.heartbeatMs);
  }

  private idLine(json: JsonValue): string {
    if (!this.hasToken) return "";
    const token = String((json as { resumeToken?: string }).resumeToken ?? "");
    return token === "" || /[\r\n\0]/.test(token) ? "" : `id: ${token}\n`;
  }
}

function hasResumeToken(desc: DescMessage): boolean {
  const field = desc.fields.find(({ name }) => name === "resume_token");
  return field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING;
}
