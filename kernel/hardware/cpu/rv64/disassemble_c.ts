/** Compressed instructions (RV64C) as text. */
import { address, f, hex, insn, signed, x } from "./disassemble_text.ts";

/** Bit `from` (and `width - 1` above it) of h, moved to `to`. */
const bits = (h: number, from: number, width: number, to: number): number => ((h >> from) & ((1 << width) - 1)) << to;

export function disassembleCompressed(h: number, pc: bigint): string {
  const quadrant = h & 3;
  const text = quadrant === 0 ? quadrant0(h) : quadrant === 1 ? quadrant1(h, pc) : quadrant2(h);
  return text ?? insn(h, 4);
}

function quadrant0(h: number): string | undefined {
  const low = 8 + bits(h, 2, 3, 0);
  const base = x(8 + bits(h, 7, 3, 0));
  const word = bits(h, 10, 3, 3) | bits(h, 6, 1, 2) | bits(h, 5, 1, 6);
  const doubleword = bits(h, 10, 3, 3) | bits(h, 5, 2, 6);
  switch (h >> 13) {
    case 0: {
      const value = bits(h, 11, 2, 4) | bits(h, 7, 4, 6) | bits(h, 6, 1, 2) | bits(h, 5, 1, 3);
      return value ? `c.addi4spn ${x(low)}, sp, ${value}` : undefined;
    }
    case 1:
      return `c.fld ${f(low)}, ${doubleword}(${base})`;
    case 2:
      return `c.lw ${x(low)}, ${word}(${base})`;
    case 3:
      return `c.ld ${x(low)}, ${doubleword}(${base})`;
    case 5:
      return `c.fsd ${f(low)}, ${doubleword}(${base})`;
    case 6:
      return `c.sw ${x(low)}, ${word}(${base})`;
    case 7:
      return `c.sd ${x(low)}, ${doubleword}(${base})`;
    default:
      return undefined;
  }
}

function quadrant1(h: number, pc: bigint): string | undefined {
  const register = bits(h, 7, 5, 0);
  const value = signed(bits(h, 12, 1, 5) | bits(h, 2, 5, 0), 6);
  switch (h >> 13) {
    case 0:
      return register || value ? `c.addi ${x(register)}, ${value}` : "c.nop";
    case 1:
      return register ? `c.addiw ${x(register)}, ${value}` : undefined;
    case 2:
      return `c.li ${x(register)}, ${value}`;
    case 3: {
      if (!value) return undefined;
      if (register !== 2) return `c.lui ${x(register)}, ${hex(value & 0xfffff)}`;
      const adjust = bits(h, 12, 1, 9) | bits(h, 6, 1, 4) | bits(h, 5, 1, 6) | bits(h, 3, 2, 7) | bits(h, 2, 1, 5);
      return `c.addi16sp sp, ${signed(adjust, 10)}`;
    }
    case 4:
      return compute(h, value);
    case 5: {
      const distance =
        bits(h, 12, 1, 11) |
        bits(h, 11, 1, 4) |
        bits(h, 9, 2, 8) |
        bits(h, 8, 1, 10) |
        bits(h, 7, 1, 6) |
        bits(h, 6, 1, 7) |
        bits(h, 3, 3, 1) |
        bits(h, 2, 1, 5);
      return `c.j ${address(pc, signed(distance, 12))}`;
    }
    default: {
      const distance = bits(h, 12, 1, 8) | bits(h, 10, 2, 3) | bits(h, 5, 2, 6) | bits(h, 3, 2, 1) | bits(h, 2, 1, 5);
      return `${h >> 13 === 6 ? "c.beqz" : "c.bnez"} ${x(8 + bits(h, 7, 3, 0))}, ${address(pc, signed(distance, 9))}`;
    }
  }
}

function compute(h: number, value: number): string | undefined {
  const d = x(8 + bits(h, 7, 3, 0));
  const kind = bits(h, 10, 2, 0);
  if (kind === 0) return `c.srli ${d}, ${value & 63}`;
  if (kind === 1) return `c.srai ${d}, ${value & 63}`;
  if (kind === 2) return `c.andi ${d}, ${value}`;
  const name = ["c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw"][bits(h, 12, 1, 2) | bits(h, 5, 2, 0)];
  return name && `${name} ${d}, ${x(8 + bits(h, 2, 3, 0))}`;
}

function quadrant2(h: number): string | undefined {
  const register = bits(h, 7, 5, 0);
  const other = bits(h, 2, 5, 0);
  const loadWord = bits(h, 12, 1, 5) | bits(h, 4, 3, 2) | bits(h, 2, 2, 6);
  const loadDouble = bits(h, 12, 1, 5) | bits(h, 5, 2, 3) | bits(h, 2, 3, 6);
  const storeDouble = bits(h, 10, 3, 3) | bits(h, 7, 3, 6);
  switch (h >> 13) {
    case 0:
      return `c.slli ${x(register)}, ${bits(h, 12, 1, 5) | other}`;
    case 1:
      return `c.fldsp ${f(register)}, ${loadDouble}(sp)`;
    case 2:
      return register ? `c.lwsp ${x(register)}, ${loadWord}(sp)` : undefined;
    case 3:
      return register ? `c.ldsp ${x(register)}, ${loadDouble}(sp)` : undefined;
    case 4:
      return moveOrJump(h & 0x1000 ? 1 : 0, register, other);
    case 5:
      return `c.fsdsp ${f(other)}, ${storeDouble}(sp)`;
    case 6:
      return `c.swsp ${x(other)}, ${bits(h, 9, 4, 2) | bits(h, 7, 2, 6)}(sp)`;
    default:
      return `c.sdsp ${x(other)}, ${storeDouble}(sp)`;
  }
}

function moveOrJump(link: number, register: number, other: number): string | undefined {
  if (other) return `${link ? "c.add" : "c.mv"} ${x(register)}, ${x(other)}`;
  if (register) return `${link ? "c.jalr" : "c.jr"} ${x(register)}`;
  return link ? "c.ebreak" : undefined;
}
