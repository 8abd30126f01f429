/**
 * RV64GC (and Zba, Zbb, Zbs) instructions as text, for excerpts in traces: the standard mnemonic of the instruction
 * itself, without pseudo-instructions, with ABI register names and absolute targets. Names and encodings are the table's
 * (instructions/) where it has an instruction; compressed ones are in disassemble_c.ts. What is not an instruction comes
 * out as `.insn` with its bits.
 */
import { disassembleCompressed } from "./disassemble_c.ts";
import { address, f, hex, insn, x } from "./disassemble_text.ts";
import { encodingOf, type Format } from "./instructions/table.ts";

const ATOMICS: Record<number, string> = {
  0: "amoadd",
  1: "amoswap",
  2: "lr",
  3: "sc",
  4: "amoxor",
  8: "amoor",
  12: "amoand",
  16: "amomin",
  20: "amomax",
  24: "amominu",
  28: "amomaxu",
};
const ORDER = ["", ".rl", ".aq", ".aqrl"];

const CSRS: Record<number, string> = { 1: "fflags", 2: "frm", 3: "fcsr", 3072: "cycle", 3073: "time", 3074: "instret" };
const ROUNDING = [", rne", ", rtz", ", rdn", ", rup", ", rmm"];
const INTEGERS = ["w", "wu", "l", "lu"];

/** `bits` is the instruction (the low 16 bits alone if it is compressed); `pc` is where it is, for the targets. */
export function disassemble(bits: number, pc: bigint): string {
  if ((bits & 3) !== 3) return disassembleCompressed(bits & 0xffff, pc);
  return decode(bits | 0, pc) ?? insn(bits, 8);
}

/** Operands as text, by the form of a row of the table. */
const operands: Record<Format, (w: number, pc: bigint) => string> = {
  register: (w) => `${x(rd(w))}, ${x(rs1(w))}, ${x(rs2(w))}`,
  immediate: (w) => `${x(rd(w))}, ${x(rs1(w))}, ${w >> 20}`,
  shift: (w) => `${x(rd(w))}, ${x(rs1(w))}, ${(w >> 20) & 63}`,
  unary: (w) => `${x(rd(w))}, ${x(rs1(w))}`,
  load: (w) => `${(w & 0x7f) === 0x03 ? x(rd(w)) : f(rd(w))}, ${w >> 20}(${x(rs1(w))})`,
  store: (w) => `${x(rs2(w))}, ${storeOffset(w)}(${x(rs1(w))})`,
  branch: (w, pc) => {
    const distance = ((w >> 31) << 12) | ((w << 4) & 0x800) | ((w >> 20) & 0x7e0) | ((w >> 7) & 0x1e);
    return `${x(rs1(w))}, ${x(rs2(w))}, ${address(pc, distance)}`;
  },
};

const rd = (w: number): number => (w >>> 7) & 31;
const rs1 = (w: number): number => (w >>> 15) & 31;
const rs2 = (w: number): number => (w >>> 20) & 31;
const storeOffset = (w: number): number => ((w >> 25) << 5) | rd(w);

function decode(w: number, pc: bigint): string | undefined {
  const row = encodingOf(w);
  if (row !== undefined) return `${row.mnemonic} ${operands[row.format](w, pc)}`;
  const [d, a, b] = [rd(w), rs1(w), rs2(w)];
  const f3 = (w >>> 12) & 7;
  switch (w & 0x7f) {
    case 0x07:
      return f3 === 3 ? `fld ${f(d)}, ${w >> 20}(${x(a)})` : undefined;
    case 0x0f:
      return fence(w, f3);
    case 0x17:
      return `auipc ${x(d)}, ${hex(w >>> 12)}`;
    case 0x27:
      return f3 === 2 || f3 === 3 ? `${f3 === 2 ? "fsw" : "fsd"} ${f(b)}, ${storeOffset(w)}(${x(a)})` : undefined;
    case 0x2f:
      return atomic(w, d, f3, a, b);
    case 0x37:
      return `lui ${x(d)}, ${hex(w >>> 12)}`;
    case 0x43:
    case 0x47:
    case 0x4b:
    case 0x4f:
      return fused(w, d, a, b);
    case 0x53:
      return float(w, d, f3, a, b);
    case 0x67:
      return f3 === 0 ? `jalr ${x(d)}, ${w >> 20}(${x(a)})` : undefined;
    case 0x6f: {
      const distance = ((w >> 31) << 20) | (w & 0xff000) | ((w >> 9) & 0x800) | ((w >> 20) & 0x7fe);
      return `jal ${x(d)}, ${address(pc, distance)}`;
    }
    case 0x73:
      return system(w, d, f3, a);
    default:
      return undefined;
  }
}

function fence(w: number, f3: number): string | undefined {
  if (f3 === 1) return "fence.i";
  if (f3 !== 0) return undefined;
  if (w === (0x8330000f | 0)) return "fence.tso";
  const set = (bits: number) => ["i", "o", "r", "w"].filter((_, i) => bits & (8 >> i)).join("") || "0";
  return `fence ${set((w >>> 24) & 15)}, ${set((w >>> 20) & 15)}`;
}

function atomic(w: number, d: number, f3: number, a: number, b: number): string | undefined {
  const name = ATOMICS[w >>> 27];
  if (!name || (f3 !== 2 && f3 !== 3) || (name === "lr" && b)) return undefined;
  const full = `${name}.${f3 === 2 ? "w" : "d"}${ORDER[(w >>> 25) & 3]}`;
  return name === "lr" ? `${full} ${x(d)}, (${x(a)})` : `${full} ${x(d)}, ${x(b)}, (${x(a)})`;
}

function rounding(f3: number): string | undefined {
  return f3 === 7 ? "" : ROUNDING[f3];
}

function fused(w: number, d: number, a: number, b: number): string | undefined {
  const mode = rounding((w >>> 12) & 7);
  if (((w >>> 25) & 3) > 1 || mode === undefined) return undefined;
  const name = ["fmadd", "fmsub", "fnmsub", "fnmadd"][(w >>> 2) & 3];
  return `${name}.${w & 0x2000000 ? "d" : "s"} ${f(d)}, ${f(a)}, ${f(b)}, ${f(w >>> 27)}${mode}`;
}

function float(w: number, d: number, f3: number, a: number, b: number): string | undefined {
  if ((w >>> 26) & 1) return undefined;
  const s = w & 0x2000000 ? "d" : "s";
  const other = s === "d" ? "s" : "d";
  const mode = rounding(f3);
  const named = (names: string[], register: (n: number) => string) =>
    names[f3] && `${names[f3]}.${s} ${register(d)}, ${f(a)}, ${f(b)}`;
  switch (w >>> 27) {
    case 0x04:
      return named(["fsgnj", "fsgnjn", "fsgnjx"], f);
    case 0x05:
      return named(["fmin", "fmax"], f);
    case 0x14:
      return named(["fle", "flt", "feq"], x);
    case 0x1c:
      if (b || f3 > 1) return undefined;
      return f3 ? `fclass.${s} ${x(d)}, ${f(a)}` : `fmv.x.${s === "d" ? "d" : "w"} ${x(d)}, ${f(a)}`;
    case 0x1e:
      return b || f3 ? undefined : `fmv.${s === "d" ? "d" : "w"}.x ${f(d)}, ${x(a)}`;
    default:
  }
  if (mode === undefined) return undefined;
  // Conversions that are always exact show a mode only if it is not the one that assemblers write.
  const exact = f3 === 0 ? "" : mode;
  switch (w >>> 27) {
    case 0x00:
    case 0x01:
    case 0x02:
    case 0x03:
      return `${["fadd", "fsub", "fmul", "fdiv"][w >>> 27]}.${s} ${f(d)}, ${f(a)}, ${f(b)}${mode}`;
    case 0x0b:
      return b ? undefined : `fsqrt.${s} ${f(d)}, ${f(a)}${mode}`;
    case 0x08:
      return b === (s === "d" ? 0 : 1) ? `fcvt.${s}.${other} ${f(d)}, ${f(a)}${s === "d" ? exact : mode}` : undefined;
    case 0x18:
      return b < 4 ? `fcvt.${INTEGERS[b]}.${s} ${x(d)}, ${f(a)}${mode}` : undefined;
    case 0x1a:
      return b < 4 ? `fcvt.${s}.${INTEGERS[b]} ${f(d)}, ${x(a)}${s === "d" && b < 2 ? exact : mode}` : undefined;
    default:
      return undefined;
  }
}

function system(w: number, d: number, f3: number, a: number): string | undefined {
  if (w === 0x73) return "ecall";
  if (w === 0x100073) return "ebreak";
  const name = [undefined, "csrrw", "csrrs", "csrrc", undefined, "csrrwi", "csrrsi", "csrrci"][f3];
  if (!name) return undefined;
  const number = w >>> 20;
  return `${name} ${x(d)}, ${CSRS[number] ?? hex(number)}, ${f3 & 4 ? a : x(a)}`;
}
