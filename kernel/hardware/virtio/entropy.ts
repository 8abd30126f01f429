/** virtio-rng (virtio 1.2, 5.4): random bytes, from the machine's own seed. */
import { type RandomState, randomBytes } from "../../lib/random.ts";
import type { VirtioDevice } from "./device.ts";
import { scatter, writableBytes } from "./queue.ts";

/** At most so many bytes to a request; a driver asks again. */
const mostBytes = 64 * 1024;
const byteNs = 10;

export const entropyDevice = (random: RandomState): VirtioDevice => ({
  id: 4,
  queues: 1,
  features: 0,
  config: () => new Uint8Array(0),
  canServe: () => true,
  serve(_, chain, dma) {
    const written = scatter(chain, dma, 0, randomBytes(random, Math.min(mostBytes, writableBytes(chain))));
    return { written, busyNs: written * byteNs };
  },
});
