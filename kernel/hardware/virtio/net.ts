/**
 * virtio-net (virtio 1.2, 5.1) with one pair of queues. Its cable leads to the host of ../network/gateway.ts, which answers
 * at once, or outside: then what is sent leaves the machine, and what comes is an input.
 */
import { limits } from "../../lib/limits.ts";
import type { Trace } from "../../trace/define.ts";
import { frameReceived, frameSent } from "../../trace/events/device.ts";
import { answerFrame } from "../network/gateway.ts";
import { frameBytes } from "../network/packet.ts";
import type { NetworkState } from "../network/state.ts";
import type { VirtioDevice } from "./device.ts";
import { gather, scatter, writableBytes } from "./queue.ts";

export const netQueue = { receive: 0, transmit: 1 } as const;

const Feature = { mac: 1 << 5, status: 1 << 16 } as const;
const headerBytes = 12;
/** A gigabit a second. */
const byteNs = 8;
const frameNs = 1000;
const linkUp = 1;

export const hasRoom = (state: NetworkState): boolean => state.incoming.length < limits.waitingFrames;

/** Frames for which the driver has given no buffer wait, up to a number; the others are lost, as on any network. */
export function deliver(state: NetworkState, frame: Uint8Array): void {
  if (hasRoom(state)) state.incoming.push(frame);
  else state.dropped += 1;
}

export interface NetParts {
  trace: Trace;
  /** There is something to receive. */
  arrived(): void;
  /** A frame goes outside, the `sequence`th that does. */
  leave(frame: Uint8Array, sequence: number): void;
}

function transmit(state: NetworkState, { trace, arrived, leave }: NetParts, frame: Uint8Array): void {
  state.sent += 1;
  if (trace.on(frameSent)) trace.write(frameSent, { bytes: frame });
  if (state.cable === "frames") {
    leave(frame, state.sent);
    return;
  }
  const answer = answerFrame(frame);
  if (answer === null) return;
  deliver(state, answer);
  arrived();
}

export const netDevice = (state: NetworkState, parts: NetParts): VirtioDevice => ({
  id: 1,
  queues: 2,
  features: Feature.mac | Feature.status,
  config: () => Uint8Array.of(...state.mac, linkUp, 0, 1, 0),
  canServe: (queue) => queue === netQueue.transmit || state.incoming.length > 0,
  serve(queue, chain, dma) {
    if (queue === netQueue.transmit) {
      const frame = gather(chain, dma, headerBytes, frameBytes);
      transmit(state, parts, frame);
      return { written: 0, busyNs: frameNs + frame.length * byteNs };
    }
    const frame = state.incoming.shift()!;
    const packet = new Uint8Array(headerBytes + frame.length);
    packet[10] = 1; // buffers that the frame is in
    packet.set(frame, headerBytes);
    // A buffer that is too short has broken the rules: it stays empty.
    if (writableBytes(chain) < packet.length) {
      state.dropped += 1;
      return { written: 0, busyNs: frameNs };
    }
    state.received += 1;
    if (parts.trace.on(frameReceived)) parts.trace.write(frameReceived, { bytes: frame });
    return { written: scatter(chain, dma, 0, packet), busyNs: frameNs + frame.length * byteNs };
  },
  reset: () => void (state.incoming = []),
});
