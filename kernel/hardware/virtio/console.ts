/** virtio-console (virtio 1.2, 5.3) with one port, at the machine's serial line. */
import type { SerialLine } from "../uart16550/uart16550.ts";
import type { VirtioDevice } from "./device.ts";
import { gather, readableBytes, scatter, writableBytes } from "./queue.ts";

export const consoleQueue = { receive: 0, transmit: 1 } as const;

/** `receives`: what comes over the line is for this port, and not for another device at it. */
export const consoleDevice = (line: SerialLine, receives: boolean): VirtioDevice => ({
  id: 3,
  queues: 2,
  features: 0,
  config: () => new Uint8Array(12),
  canServe: (queue) => queue === consoleQueue.transmit || (receives && line.available() > 0),
  serve(queue, chain, dma) {
    if (queue === consoleQueue.receive) {
      const bytes = line.take(writableBytes(chain));
      return { written: scatter(chain, dma, 0, bytes), busyNs: 0 };
    }
    line.send(gather(chain, dma, 0, readableBytes(chain)));
    return { written: 0, busyNs: 0 };
  },
});
