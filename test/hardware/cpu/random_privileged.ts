/** Random instructions that know what to aim at on a core with all privileges. */
import { bType, iType, rType, sType } from "./encode.ts";
import type { Random } from "./random_program.ts";

/** By weight: what matters most to privileges and addresses. */
const CSRS = [
  [0x300, 8],
  [0x100, 6],
  [0x180, 6],
  [0x302, 2],
  [0x303, 2],
  [0x304, 3],
  [0x344, 3],
  [0x144, 2],
  [0x104, 2],
  [0x305, 1],
  [0x105, 1],
  [0x341, 3],
  [0x141, 3],
  [0x342, 1],
  [0x343, 1],
  [0x142, 1],
  [0x143, 1],
  [0x340, 1],
  [0x140, 1],
  [0x306, 1],
  [0x106, 1],
  [0x30a, 1],
  [0x14d, 1],
  [0x320, 1],
  [0x3a0, 1],
  [0x3a2, 1],
  [0x3b0, 1],
  [0x3b1, 1],
  [0x3bf, 1],
  [0xb00, 1],
  [0xb02, 1],
  [0xc00, 2],
  [0xc01, 2],
  [0xc02, 2],
  [0x001, 1],
  [0x003, 1],
].flatMap(([number, weight]) => Array<number>(weight!).fill(number!));

const SYSTEM = [0x10200073, 0x30200073, 0x10500073, 0x12000073, 0x73, 0x73, 0x73, 0x73, 0x73, 0x100073, 0x0000100f];
/** Point to something: code, tables, data, in either address space; the others are free. */
export const POINTERS = [8, 9, 18, 19, 20, 21, 22, 23];
export const FREE = [5, 6, 7, 10, 11, 12, 13, 14, 15];

export function instruction(random: Random): number {
  const rd = random.pick(FREE);
  const rs = random.pick([...FREE, ...POINTERS]);
  const base = random.pick(POINTERS);
  const offset = random.chance(70) ? random.below(64) * 8 : random.below(4096) - 2048;
  switch (random.below(16)) {
    case 0:
    case 1: {
      const f3 = random.pick([1, 2, 3, 5, 6, 7, 1, 2]);
      return iType(0x73, f3, random.chance(20) ? 0 : rd, f3 > 4 ? random.below(32) : rs, random.pick(CSRS));
    }
    case 2:
      return random.pick(SYSTEM);
    case 3:
    case 4:
      return iType(0x03, random.below(7), rd, base, offset);
    case 5:
    case 6:
      return sType(0x23, random.below(4), base, rs, offset);
    case 7: {
      const atomics = [0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28];
      const kind = random.pick(atomics);
      return rType(0x2f, random.pick([2, 3]), kind << 2, rd, base, kind === 2 ? 0 : rs);
    }
    case 8:
      return bType(random.pick([0, 1, 4, 5, 6, 7]), rs, random.pick(FREE), (random.below(32) - 12) * 2);
    case 9:
      return rType(0x53, random.pick([0, 7]), random.pick([0, 1, 4, 5, 8, 9, 0x71, 0x79]), rd, rs, 0);
    case 10:
      return random.chance(50)
        ? iType(0x07, random.pick([2, 3]), rd, base, offset)
        : sType(0x27, random.pick([2, 3]), base, rs, offset);
    case 11:
      return random.chance(70) ? Number(random.u64() & 0xffffn) & ~2 : Number(random.u64() & 0xffffffffn) | 3;
    case 12:
      return iType(0x67, 0, random.pick([0, 1, rd]), base, random.below(256) * 2);
    default:
      return random.chance(50)
        ? iType(0x13, random.below(8), rd, rs, random.below(64))
        : rType(0x33, random.below(8), 0, rd, rs, rd);
  }
}
