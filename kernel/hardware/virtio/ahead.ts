/**
 * Which absent pages the next request of a queue is going to touch, so that a host can bring them before it is served.
 *
 * This is a hint: it changes nothing, and what it misses is fetched when it is used. It reads no page that is absent.
 */
import type { Dma } from "../bus/dma.ts";
import { addressOf, type Chain, indirectTable, mostTableBytes, peekAvailable, readChain } from "./queue.ts";
import type { QueueState } from "./state.ts";

/** `ofDevice`: what the request touches besides memory, by the host's numbers. */
export function absentAhead(queue: QueueState, dma: Dma, ofDevice: (chain: Chain) => number[]): number[] {
  const { size } = queue;
  const rings = [
    ...dma.absent(addressOf(queue.descriptors), 16 * size),
    ...dma.absent(addressOf(queue.available), 6 + 2 * size),
    ...dma.absent(addressOf(queue.used), 6 + 8 * size),
  ];
  if (rings.length > 0) return rings;
  const head = peekAvailable(queue, dma);
  if (head === null || head === "empty") return [];
  const table = indirectTable(queue, dma, head);
  const tables = table === null ? [] : dma.absent(table.address, Math.min(table.length, mostTableBytes));
  if (tables.length > 0) return tables;
  const chain = readChain(queue, dma, head);
  if (chain === null) return [];
  const data = [...chain.readable, ...chain.writable].flatMap(({ address, length }) => dma.absent(address, length));
  return data.length > 0 ? data : ofDevice(chain);
}
