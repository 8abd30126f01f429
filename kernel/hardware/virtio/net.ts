/** virtio-net (virtio 1.2, 5.1) with one pair of queues, at a cable to ../network/gateway.ts. */
import { limits } from "../../lib/limits.ts";
import { answerFrame } from "../network/gateway.ts";
import type { NetworkState } from "../network/state.ts";
import type { VirtioDevice } from "./device.ts";
import { gather, scatter, writableBytes } from "./queue.ts";

export const netQueue = { receive: 0, transmit: 1 } as const;

const Feature = { mac: 1 << 5, status: 1 << 16 } as const;
const headerBytes = 12;
/** The longest frame, without its checksum. */
const frameBytes = 1514;
/** A gigabit a second. */
const byteNs = 8;
const frameNs = 1000;
const mac = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const linkUp = 1;

/** Frames for which the driver has given no buffer wait, up to a number; the others are lost, as on any network. */
export function deliver(state: NetworkState, frame: Uint8Array): void {
  if (state.incoming.length < limits.waitingFrames) state.incoming.push(frame);
  else state.dropped += 1;
}

/** `arrived` is told when there is something to receive. */
export const netDevice = (state: NetworkState, arrived: () => void): VirtioDevice => ({
  id: 1,
  queues: 2,
  features: Feature.mac | Feature.status,
  config: () => Uint8Array.of(...mac, linkUp, 0, 1, 0),
  canServe: (queue) => queue === netQueue.transmit || state.incoming.length > 0,
  serve(queue, chain, dma) {
    if (queue === netQueue.transmit) {
      const frame = gather(chain, dma, headerBytes, frameBytes);
      state.sent += 1;
      const answer = answerFrame(frame);
      if (answer !== null) {
        deliver(state, answer);
        arrived();
      }
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
    return { written: scatter(chain, dma, 0, packet), busyNs: frameNs + frame.length * byteNs };
  },
  reset: () => void (state.incoming = []),
});
