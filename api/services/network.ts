/** NetworkService: frames to a bare machine and from it, one by one or as a cable. */
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { BareNetwork, MachineSpecSchema } from "../../proto/gen/ostler/v1/machines_pb.js";
import {
  type AttachNetworkOpen,
  type AttachNetworkRequest,
  type AttachNetworkResponseSchema,
  type NetworkService,
  SendFrameRequestSchema,
  SendFrameResponseSchema,
  type SentFrameSchema,
} from "../../proto/gen/ostler/v1/network_pb.js";
import { Code, failedPrecondition, invalid, OstlerError } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import { type Deps, holding, once, resumeNumber, toNumber, toPosition } from "./common.ts";

/** Frames of one attached client that may be on their way to the journal at once. */
const FRAMES_UNDER_WAY = 64;

export function networkService(deps: Deps): ServiceImplementation<typeof NetworkService> {
  return {
    sendFrame(request, context) {
      const schemas = { request: SendFrameRequestSchema, response: SendFrameResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const machine = await deps.hosting.use(request.machineId);
        const { summary } = await machine.apply({ kind: "frame", bytes: request.frame });
        return { sent: BigInt(summary.framesSent) };
      });
    },

    async *followFrames(request, context) {
      const machine = await useCable(deps, request.machineId);
      const from = resumeNumber(request.resumeToken) ?? toNumber(request.fromSequence, "from_sequence");
      for await (const message of holding(machine, () => follow(machine, from, context.signal)))
        yield { ...message, resumeToken: String(message.next) };
    },

    async *attachNetwork(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done || first.value.message.case !== "open") throw invalid("open", "the first message must be `open`");
      const open = first.value.message.value;
      const machine = await useCable(deps, open.machineId);
      yield* holding(machine, () => attach(machine, open, iterator, context));
    },
  };
}

/** The machine, if its network's cable leads to clients. */
async function useCable(deps: Deps, machineId: string): Promise<HostedMachine> {
  const machine = await deps.hosting.use(machineId);
  if (fromBinary(MachineSpecSchema, machine.row.spec).bare?.network === BareNetwork.FRAMES) return machine;
  const wants = "only a machine that boots bare with BARE_NETWORK_FRAMES has a network that clients can follow";
  throw failedPrecondition("NO_FRAMES", wants);
}

interface Followed {
  missed: bigint;
  frame?: MessageInitShape<typeof SentFrameSchema>;
  /** Where to go on. */
  next: number;
}

/** Frames from one on; 0: from the next that is sent. */
async function* follow(machine: HostedMachine, from: number, signal: AbortSignal): AsyncGenerator<Followed> {
  let next = from || machine.visible.summary.framesSent + 1;
  for (;;) {
    signal.throwIfAborted();
    const { missed, frames } = machine.framesFrom(next);
    next += missed;
    if (missed > 0 && frames.length === 0) yield { missed: BigInt(missed), next };
    for (const [index, { sequence, at, bytes }] of frames.entries()) {
      next = sequence + 1;
      const frame = { sequence: BigInt(sequence), position: toPosition(at), data: bytes as Uint8Array<ArrayBuffer> };
      yield { missed: index === 0 ? BigInt(missed) : 0n, frame, next };
    }
    if (missed > 0 || frames.length > 0) continue;
    machine.assertUsable();
    await machine.bell.next(signal);
  }
}

/** Brings the client's frames to the machine, in their order. How many had no room. */
class Uplink {
  dropped = 0;
  readonly #machine: HostedMachine;
  readonly #underWay: Promise<void>[] = [];

  constructor(machine: HostedMachine) {
    this.#machine = machine;
  }

  async carry(requests: AsyncIterator<AttachNetworkRequest>): Promise<void> {
    for (let next = await requests.next(); !next.done; next = await requests.next()) {
      const { message } = next.value;
      if (message.case !== "frame") throw invalid("open", "only the first message may be `open`");
      const sending = this.#send(message.value);
      // It is awaited below, but may fail before.
      sending.catch(() => {});
      this.#underWay.push(sending);
      if (this.#underWay.length >= FRAMES_UNDER_WAY) await this.#underWay.shift();
    }
    await Promise.all(this.#underWay);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    try {
      await this.#machine.apply({ kind: "frame", bytes });
    } catch (error) {
      if (!(error instanceof OstlerError && error.code === Code.RESOURCE_EXHAUSTED)) throw error;
      this.dropped += 1;
    }
  }
}

/** Frames go in while others come out. One that is refused ends the stream with its error. */
async function* attach(
  machine: HostedMachine,
  open: AttachNetworkOpen,
  requests: AsyncIterator<AttachNetworkRequest>,
  context: Context,
): AsyncGenerator<MessageInitShape<typeof AttachNetworkResponseSchema>> {
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const uplink = new Uplink(machine);
  uplink.carry(requests).catch((error) => failed.abort(error));
  const from = toNumber(open.fromSequence, "open.from_sequence") || machine.visible.summary.framesSent + 1;
  yield {};
  for await (const { missed, frame } of follow(machine, from, signal))
    yield { missed, ...(frame !== undefined && { frame }), dropped: BigInt(uplink.dropped) };
}
