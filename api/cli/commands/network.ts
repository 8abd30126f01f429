/** `ostler network …`: frames to and from a bare machine's network, and a cable between two machines. */

import { once } from "node:events";
import { finished } from "node:stream/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Option } from "commander";
import {
  type AttachNetworkRequestSchema,
  FollowFramesResponseSchema,
  NetworkService,
  SendFrameResponseSchema,
  type SentFrame,
} from "../../../proto/gen/ostler/v1/network_pb.js";
import { openOutput, UsageError } from "../failure.ts";
import { messageJson } from "../output.ts";
import { action, type Session } from "../session.ts";
import { group, leaf } from "../shared.ts";
import { formatNs, parseCount } from "../units.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const macText = (bytes: Uint8Array): string => hex(bytes).replace(/(..)(?=.)/g, "$1:");

/** A frame in a line: who to whom, what kind, how long. */
export function frameText({ sequence, position, data }: SentFrame): string {
  const type = hex(data.subarray(12, 14));
  const ends = `${macText(data.subarray(6, 12))} > ${macText(data.subarray(0, 6))}`;
  return `${sequence}  ${formatNs(position!.timeNs)}  ${ends}  0x${type}  ${data.length} bytes`;
}

/** The header of a pcap file of Ethernet frames with times in nanoseconds. */
export function pcapHeader(): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  return header;
}

/** Times are the machine's: virtual, since it was created. */
export function pcapRecord({ position, data }: SentFrame): Buffer {
  const header = Buffer.alloc(16);
  const { timeNs } = position!;
  header.writeUInt32LE(Number(timeNs / 1_000_000_000n), 0);
  header.writeUInt32LE(Number(timeNs % 1_000_000_000n), 4);
  header.writeUInt32LE(data.length, 8);
  header.writeUInt32LE(data.length, 12);
  return Buffer.concat([header, data]);
}

const sendCommand = leaf("send <machine> <hex>", "send a frame to a machine, in hexadecimal from the destination on", [
  "ostler network send m-1234 ffffffffffff5254000000010806...",
]).action(
  action(async (session, [machineId, text]) => {
    const digits = text!.replace(/[\s:]/g, "");
    if (!/^([0-9a-f]{2})+$/i.test(digits))
      throw new UsageError("a frame is given as pairs of hexadecimal digits", "for example ffffffffffff525400…");
    const networks = await session.service(NetworkService);
    const frame = new Uint8Array(Buffer.from(digits, "hex"));
    session.out.message(SendFrameResponseSchema, await networks.sendFrame({ machineId: machineId!, frame }), () => "");
  }),
);

/** What a machine sends, over losses of the connection. */
async function* sentFrames(session: Session, machineId: string, from: number, signal: AbortSignal) {
  const networks = await session.service(NetworkService);
  let fromSequence = BigInt(from);
  const open = () => networks.followFrames({ machineId, fromSequence }, { signal });
  for await (const answer of session.follow(open, signal)) {
    if (answer.missed > 0n) session.out.note(`${answer.missed} frames are no longer kept`);
    fromSequence = BigInt(answer.resumeToken);
    yield answer;
  }
}

const followCommand = leaf("follow <machine>", "show the frames that a machine sends as it sends them", [
  "ostler network follow m-1234",
  "ostler network follow m-1234 --from 1 --pcap frames.pcap    # for Wireshark, with the machine's own time",
])
  .addOption(new Option("--from <sequence>", "from this one on (default: the next)").argParser(parseCount))
  .option("--pcap <file>", "write them to a file")
  .action(
    action<{ from?: number; pcap?: string }>(async (session, [machineId], { from, pcap }) => {
      const file = pcap === undefined ? null : await openOutput(pcap);
      file?.write(pcapHeader());
      try {
        for await (const answer of sentFrames(session, machineId!, from ?? 0, session.interruptible())) {
          if (answer.frame !== undefined && file?.write(pcapRecord(answer.frame)) === false) await once(file, "drain");
          if (session.out.json) session.out.record(messageJson(FollowFramesResponseSchema, answer));
          else if (answer.frame !== undefined && file === null) session.out.line(frameText(answer.frame));
        }
      } finally {
        // Ctrl-C is how it ends: what was captured until then is whole.
        file?.end();
        if (file !== null) await finished(file);
      }
    }),
  );

type Request = MessageInitShape<typeof AttachNetworkRequestSchema>;

/** Frames on their way from one end of a cable to the other. */
class Line {
  readonly #frames: Uint8Array<ArrayBuffer>[] = [];
  #wake: () => void = () => {};

  put(frame: Uint8Array<ArrayBuffer>): void {
    // As any cable between hosts of which one is too slow.
    if (this.#frames.length < 1024) this.#frames.push(frame);
    this.#wake();
  }

  async *requests(machineId: string, signal: AbortSignal): AsyncGenerator<Request> {
    yield { message: { case: "open", value: { machineId } } };
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      const frame = this.#frames.shift();
      if (frame !== undefined) yield { message: { case: "frame", value: frame } };
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const connectCommand = leaf(
  "connect <machine> <machine>",
  "be the cable between two machines, until Ctrl-C: what one sends, the other gets",
  ["ostler network connect m-1234 m-5678"],
).action(
  action(async (session, machines) => {
    const signal = session.interruptible();
    const networks = await session.service(NetworkService);
    const lines = [new Line(), new Line()];
    let open = 0;
    const connected = `${machines[0]} and ${machines[1]} are connected; Ctrl-C takes the cable away`;
    const end = async (index: number): Promise<void> => {
      const requests = lines[index]!.requests(machines[index]!, signal);
      for await (const { frame } of networks.attachNetwork(requests, { signal })) {
        // Without a frame: the first message, or news of frames that were lost.
        if (frame === undefined && ++open === 2) session.out.note(connected);
        if (frame === undefined) continue;
        lines[1 - index]!.put(frame.data as Uint8Array<ArrayBuffer>);
        if (session.out.json) session.out.record({ machine: machines[index]!, sequence: String(frame.sequence) });
      }
    };
    try {
      await Promise.race([end(0), end(1)]);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }),
);

export const networkCommand = group("network", "frames of a bare machine's network", [
  followCommand,
  sendCommand,
  connectCommand,
]);
