/**
 * Which pages a translated function remembers. Accesses through the same register mostly stay on a page: for such a
 * register the function keeps the last page, and what leads from it to the host's address, in locals, and looks at the
 * TLB only when the page is another one. Nothing takes an entry out of the TLB while translated code runs.
 */
import { READ_TLB, WRITE_TLB } from "../assembly/layout.ts";
import { loads, stores } from "../instructions/table.ts";
import type { Region } from "./region.ts";

/** Each takes two locals. */
const MOST = 10;

/** A register and the TLB that is looked at for it, as one number. */
export const baseKey = (register: number, table: number): number => register * 2 + (table === WRITE_TLB ? 1 : 0);

interface Use {
  accesses: number;
  /** Twice in a block with the same value. */
  repeated: boolean;
}

/** Keys of what is worth remembering. */
export function basesOf({ blocks, places }: Region): number[] {
  const uses = new Map<number, Use>();
  /** Registers that are computed anew, and not just moved on by a constant. */
  const computed = new Set<number>();
  let loops = false;
  for (const [place, { instructions, ending }] of blocks.entries()) {
    const inBlock = new Set<number>();
    for (const { op, rd, rs1, changes } of instructions) {
      if (loads.has(op) || stores.has(op)) {
        const key = baseKey(rs1, loads.has(op) ? READ_TLB : WRITE_TLB);
        const use = uses.get(key) ?? { accesses: 0, repeated: false };
        uses.set(key, { accesses: use.accesses + 1, repeated: use.repeated || inBlock.has(key) });
        inBlock.add(key);
      }
      if ((changes.x === 0 && changes.f === 0) || (op === "Addi" && rs1 === rd)) continue;
      computed.add(rd);
      inBlock.delete(baseKey(rd, READ_TLB));
      inBlock.delete(baseKey(rd, WRITE_TLB));
    }
    if ("to" in ending && ending.kind !== "call" && ending.to !== null)
      loops ||= (places.get(ending.to) ?? place + 1) <= place;
  }
  const worth = [...uses].filter(
    ([key, { accesses, repeated }]) => repeated || (!computed.has(key >> 1) && (loops || accesses > 1)),
  );
  worth.sort(([, a], [, b]) => b.accesses - a.accesses);
  return worth.slice(0, MOST).map(([key]) => key);
}
