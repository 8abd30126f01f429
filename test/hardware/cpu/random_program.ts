/**
 * Random programs for the differential test: a static ELF made of many small cases. Each case loads registers with
 * chosen values, sets the rounding mode, executes a handful of random instructions and stores all registers and the
 * flags; at the end the program writes everything it stored, and its scratch memory, to standard output.
 */

import { bType, buildElf, iType, rType, sType } from "./encode.ts";

/** xorshift128+: small, seeded, the same everywhere. */
export class Random {
  #a: bigint;
  #b: bigint;
  constructor(seed: number) {
    this.#a = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
    this.#b = BigInt(seed) ^ 0xd1b54a32d192ed03n;
    for (let i = 0; i < 8; i++) this.u64();
  }
  u64(): bigint {
    let s = BigInt.asUintN(64, this.#a);
    const t = this.#b;
    this.#a = t;
    s = BigInt.asUintN(64, s ^ (s << 23n));
    this.#b = s ^ t ^ (s >> 17n) ^ (t >> 26n);
    return BigInt.asUintN(64, this.#b + t);
  }
  below(n: number): number {
    return Number(this.u64() >> 11n) % n;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

// Registers: x2, x9 and x31 point at the scratch memory, x30 at the input, x29 at the output; the rest of the pool is free.
const POOL = [5, 6, 7, 8, 10, 11, 12, 13, 14, 15] as const;
const SMALL = [8, 10, 11, 12, 13, 14, 15] as const;
const FLOATS = 12;
export const X_DUMPED = POOL.length;
export const CASE_WORDS = X_DUMPED + FLOATS + 1;

const TEXT = 0x10000;
const SCRATCH_BYTES = 4096;

const R_OPS: [number, number, number][] = [];
for (let f3 = 0; f3 < 8; f3++) R_OPS.push([0x33, f3, 0], [0x33, f3, 1]);
R_OPS.push(
  [0x33, 0, 0x20],
  [0x33, 5, 0x20],
  [0x3b, 0, 0],
  [0x3b, 1, 0],
  [0x3b, 5, 0],
  [0x3b, 0, 0x20],
  [0x3b, 5, 0x20],
);
for (const f3 of [0, 4, 5, 6, 7]) R_OPS.push([0x3b, f3, 1]);
const B_OPS: [number, number, number][] = [
  [0x33, 2, 0x10],
  [0x33, 4, 0x10],
  [0x33, 6, 0x10],
  [0x3b, 0, 4],
  [0x3b, 2, 0x10],
  [0x3b, 4, 0x10],
  [0x3b, 6, 0x10],
  [0x33, 4, 0x20],
  [0x33, 6, 0x20],
  [0x33, 7, 0x20],
  [0x33, 4, 5],
  [0x33, 5, 5],
  [0x33, 6, 5],
  [0x33, 7, 5],
  [0x33, 1, 0x30],
  [0x33, 5, 0x30],
  [0x3b, 1, 0x30],
  [0x3b, 5, 0x30],
  [0x33, 1, 0x14],
  [0x33, 1, 0x24],
  [0x33, 5, 0x24],
  [0x33, 1, 0x34],
];

// ctzw is left out: qemu 7.2 gives 63 for a zero word, where the specification says 32.
function bitImmediate(random: Random, rd: number, rs1: number): number {
  const shift = random.below(64);
  const unary = random.pick([0x600, 0x601, 0x602, 0x604, 0x605]);
  return random.pick([
    iType(0x13, 1, rd, rs1, unary),
    iType(0x1b, 1, rd, rs1, random.pick([0x600, 0x602])),
    rType(0x3b, 4, 4, rd, rs1, 0),
    iType(0x13, 5, rd, rs1, 0x287),
    iType(0x13, 5, rd, rs1, 0x6b8),
    iType(0x13, 5, rd, rs1, 0x600 | shift),
    iType(0x1b, 5, rd, rs1, 0x600 | (shift & 31)),
    iType(0x1b, 1, rd, rs1, 0x080 | shift),
    iType(0x13, 1, rd, rs1, 0x280 | shift),
    iType(0x13, 1, rd, rs1, 0x480 | shift),
    iType(0x13, 1, rd, rs1, 0x680 | shift),
    iType(0x13, 5, rd, rs1, 0x480 | shift),
  ]);
}

function integer(random: Random): number[] {
  const rd = random.chance(4) ? 0 : random.pick(POOL);
  const rs1 = random.chance(4) ? 0 : random.pick(POOL);
  const rs2 = random.chance(4) ? 0 : random.pick(POOL);
  const shift = random.below(64);
  const right = random.chance(50) ? 0x400 : 0;
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2:
      return [rType(...random.pick(R_OPS), rd, rs1, rs2)];
    case 3:
      return [iType(0x13, random.pick([0, 2, 3, 4, 6, 7]), rd, rs1, random.below(4096))];
    case 4:
      return [random.chance(30) ? iType(0x13, 1, rd, rs1, shift) : iType(0x13, 5, rd, rs1, shift | right)];
    case 5:
      return [
        random.pick([
          iType(0x1b, 0, rd, rs1, random.below(4096)),
          iType(0x1b, 1, rd, rs1, shift & 31),
          iType(0x1b, 5, rd, rs1, (shift & 31) | right),
        ]),
      ];
    case 6:
      return [(random.below(1 << 20) << 12) | (rd << 7) | random.pick([0x37, 0x17])];
    case 7:
      return [rType(...random.pick(B_OPS), rd, rs1, rs2)];
    default:
      return [bitImmediate(random, rd, rs1)];
  }
}

function memory(random: Random): number[] {
  const offset = random.below(2000);
  const base = random.pick([2, 9, 31]);
  const data = random.pick(POOL);
  const float = random.below(FLOATS);
  switch (random.below(6)) {
    case 0:
    case 1:
      return [iType(0x03, random.below(7), random.chance(4) ? 0 : data, base, offset)];
    case 2:
    case 3:
      return [sType(0x23, random.below(4), base, data, offset)];
    case 4:
      return [iType(0x07, random.pick([2, 3]), float, base, offset)];
    default:
      return [sType(0x27, random.pick([2, 3]), base, float, offset)];
  }
}

function atomic(random: Random): number[] {
  const width = random.pick([2, 3]);
  const address = random.pick([6, 7]);
  const rd = random.chance(6) ? 0 : random.pick(POOL.filter((r) => r !== address));
  const rs2 = random.pick(POOL.filter((r) => r !== address));
  const where = iType(0x13, 0, address, 31, random.below(200) * 8);
  const order = random.below(4);
  if (random.chance(30)) {
    const other = iType(0x13, 0, address, address, random.chance(30) ? 8 : 0);
    return [
      where,
      rType(0x2f, width, (2 << 2) | order, rd, address, 0),
      other,
      rType(0x2f, width, (3 << 2) | order, random.pick(POOL), address, rs2),
    ];
  }
  return [where, rType(0x2f, width, (random.pick([0, 1, 4, 8, 12, 16, 20, 24, 28]) << 2) | order, rd, address, rs2)];
}

function float(random: Random): number[] {
  const double = random.below(2);
  const own = () => (random.chance(88) ? random.below(6) + (double ? 0 : 6) : random.below(FLOATS));
  const fd = own();
  const [a, b, c] = [own(), own(), own()];
  const rm = random.pick([0, 1, 2, 3, 4, 7, 7, 7]);
  const x = random.pick(POOL);
  const op = (f5: number, f3: number, d: number, s1: number, s2: number) => [
    rType(0x53, f3, (f5 << 2) | double, d, s1, s2),
  ];
  switch (random.below(14)) {
    case 0:
    case 1:
      return op(random.pick([0, 1]), rm, fd, a, b);
    case 2:
      return op(2, rm, fd, a, b);
    case 3:
      return op(3, rm, fd, a, b);
    case 4:
      return op(0x0b, rm, fd, a, 0);
    case 5:
    case 6:
    case 7:
      return [
        (c << 27) |
          (double << 25) |
          (b << 20) |
          (a << 15) |
          (rm << 12) |
          (fd << 7) |
          random.pick([0x43, 0x47, 0x4b, 0x4f]),
      ];
    case 8:
      return op(0x14, random.below(3), x, a, b);
    case 9:
      return random.chance(50) ? op(4, random.below(3), fd, a, b) : op(5, random.below(2), fd, a, b);
    case 10:
      return op(0x18, rm, x, a, random.below(4));
    case 11:
      return op(0x1a, rm, fd, x, random.below(4));
    case 12:
      return op(0x08, rm, fd, double ? 6 + random.below(6) : random.below(6), double ? 0 : 1);
    default:
      return random.pick([
        op(0x1c, 1, x, a, 0),
        op(0x1c, 0, x, a, 0),
        op(0x1e, 0, fd, x, 0),
        [iType(0x73, random.pick([2, 6]), x, 0, random.pick([1, 2, 3]))],
      ]);
  }
}

function compressed(random: Random): number[] {
  const rd = random.pick(POOL);
  const rs2 = random.pick(POOL);
  const small = random.pick(SMALL) - 8;
  const other = random.pick(SMALL) - 8;
  const imm = random.below(64);
  const field = ((imm & 32) << 7) | ((imm & 31) << 2);
  const wide = random.below(256);
  switch (random.below(12)) {
    case 0:
      return [0x0000 | (((wide & 0x7f) + 1) << 5) | (small << 2)];
    case 1:
      return [
        random.pick([0x4000, 0x6000, 0x2000]) | ((wide & 0x38) << 7) | (1 << 7) | ((wide & 0xc0) >> 1) | (small << 2),
      ];
    case 2:
      return [
        random.pick([0xc000, 0xe000, 0xa000]) | ((wide & 0x38) << 7) | (1 << 7) | ((wide & 0xc0) >> 1) | (small << 2),
      ];
    case 3:
      return [0x0001 | field | (rd << 7)];
    case 4:
      return [0x2001 | field | (rd << 7)];
    case 5:
      return [0x4001 | field | (rd << 7)];
    case 6:
      return imm ? [0x6001 | field | (rd << 7)] : [0x0001];
    case 7:
      return [0x8001 | (random.below(3) << 10) | field | (small << 7)];
    case 8:
      return [0x8c01 | random.pick([0, 0x20, 0x40, 0x60, 0x1000, 0x1020]) | (small << 7) | (other << 2)];
    case 9:
      return [0x0002 | field | (rd << 7)];
    case 10:
      return [random.pick([0x4002, 0x6002, 0x2002]) | (field & ~0x0c) | (rd << 7)];
    default:
      return random.pick([
        [0x8002 | (rd << 7) | (rs2 << 2)],
        [0x9002 | (rd << 7) | (rs2 << 2)],
        [0xc002 | ((wide & 0x3f) << 7) | (rs2 << 2)],
        [0xe002 | ((wide & 0x38) << 7) | (rs2 << 2)],
        [0xa002 | ((wide & 0x38) << 7) | ((rs2 % FLOATS) << 2)],
      ]);
  }
}

const length = (words: number[]): number => words.reduce((sum, word) => sum + ((word & 3) === 3 ? 4 : 2), 0);

/** A branch, taken or not, or a jump over a simple instruction. */
function branch(random: Random): number[] {
  const skipped = random.chance(50) ? integer(random) : compressed(random);
  const distance = 4 + length(skipped);
  if (random.chance(20)) return [(((distance >> 1) & 0x3ff) << 21) | (random.pick([0, 5, 6]) << 7) | 0x6f, ...skipped];
  return [bType(random.pick([0, 1, 4, 5, 6, 7]), random.pick(POOL), random.pick(POOL), distance), ...skipped];
}

export type Mix = "all" | "float" | "integer";

export function instruction(random: Random, mix: Mix): number[] {
  const roll = mix === "float" ? 99 : random.below(mix === "integer" ? 70 : 100);
  if (roll < 28) return integer(random);
  if (roll < 42) return compressed(random);
  if (roll < 54) return memory(random);
  if (roll < 60) return atomic(random);
  if (roll < 70) return branch(random);
  return float(random);
}

const doubles = new Float64Array(1);
const doubleBits = new BigUint64Array(doubles.buffer);
const SPECIAL_DOUBLES = [
  0n,
  1n,
  2n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x0010000000000001n,
  0x001fffffffffffffn,
  0x3ff0000000000000n,
  0x3ff0000000000001n,
  0x3fefffffffffffffn,
  0x4000000000000000n,
  0x3fe0000000000000n,
  0x7fefffffffffffffn,
  0x7ff0000000000000n,
  0x7ff8000000000000n,
  0x7ff0000000000001n,
  0x7ffc0000deadbeefn,
  0x41dfffffffc00000n,
  0x41e0000000000000n,
  0x43e0000000000000n,
  0x43dfffffffffffffn,
  0x41efffffffe00000n,
  0x43f0000000000000n,
  0x4330000000000001n,
  0x3ca0000000000000n,
  0x47efffffe0000000n,
  0x47efffffefffffffn,
  0x47effffff0000000n,
  0x380fffffe0000000n,
  0x380ffffff0000000n,
  0x3810000000000000n,
  0x36a0000000000000n,
  0x3690000000000000n,
];
const SPECIAL_SINGLES = [
  0, 1, 2, 0x007fffff, 0x00800000, 0x00800001, 0x00ffffff, 0x3f800000, 0x3f800001, 0x3f7fffff, 0x40000000, 0x3f000000,
  0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7fc0dead, 0x4f000000, 0x4effffff, 0x5f000000, 0x5effffff,
  0x4f800000, 0x5f800000, 0x33800000, 0x4b000001,
];

export function double(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 63n;
  if (random.chance(22)) return random.pick(SPECIAL_DOUBLES) | sign;
  let fraction = random.u64() & 0xfffffffffffffn;
  if (random.chance(40)) fraction &= (random.u64() & random.u64()) << BigInt(random.below(52));
  if (random.chance(15)) fraction |= 0xfffffffffffffn >> BigInt(random.below(52));
  const spread = random.pick([2, 8, 60, 1000]);
  let exponent = 1023 + random.below(2 * spread) - spread;
  if (random.chance(12)) exponent = random.below(60);
  if (random.chance(6)) exponent = 2046 - random.below(30);
  return sign | (BigInt(exponent) << 52n) | (fraction & 0xfffffffffffffn);
}

export function single(random: Random): bigint {
  const sign = random.below(2) * 2 ** 31;
  if (random.chance(4)) return random.u64();
  const boxed = 0xffffffff00000000n;
  if (random.chance(22)) return boxed | BigInt(sign + random.pick(SPECIAL_SINGLES));
  let fraction = random.below(1 << 23);
  if (random.chance(40)) fraction &= random.below(1 << 23) << random.below(23);
  fraction &= 0x7fffff;
  const spread = random.pick([2, 8, 30, 120]);
  let exponent = 127 + random.below(2 * spread) - spread;
  if (random.chance(12)) exponent = random.below(30);
  return boxed | BigInt(sign + exponent * 2 ** 23 + fraction);
}

function word(random: Random): bigint {
  const value = random.u64();
  switch (random.below(6)) {
    case 0:
      return BigInt.asUintN(64, BigInt(random.below(40)) - 20n);
    case 1:
      return random.pick([
        0n,
        1n,
        0x7fffffffn,
        0x80000000n,
        0xffffffffn,
        0x7fffffffffffffffn,
        0x8000000000000000n,
        0xffffffffffffffffn,
        0xffffffff80000000n,
      ]);
    case 2:
      return value >> BigInt(random.below(64));
    case 3:
      return BigInt.asUintN(64, BigInt.asIntN(64, value) >> BigInt(random.below(64)));
    default:
      return value;
  }
}

/** Three related doubles now and then: the addend of a fused operation nearly cancels the product. */
function floats(random: Random): bigint[] {
  const out: bigint[] = [];
  for (let i = 0; i < 6; i++) out.push(double(random));
  for (let i = 6; i < FLOATS; i++) out.push(single(random));
  if (random.chance(30)) {
    doubleBits[0] = out[0] as bigint;
    const a = doubles[0] as number;
    doubleBits[0] = out[1] as bigint;
    doubles[0] = -a * (doubles[0] as number);
    out[2] = (doubleBits[0] as bigint) + BigInt(random.below(3)) - 1n;
    if (Number.isNaN(doubles[0])) out[2] = 0n;
    out[2] = BigInt.asUintN(64, out[2]);
    out[4] = BigInt.asUintN(64, (out[3] as bigint) ^ (1n << 63n) ^ BigInt(random.below(4)));
  }
  return out;
}

export interface RandomProgram {
  elf: Uint8Array;
  cases: number;
  /** Instructions of each case, for the report. */
  bodies: number[][];
  scratchBytes: number;
}

export function randomProgram(seed: number, cases: number, mix: Mix, perCase = 8): RandomProgram {
  const random = new Random(seed);
  const code: number[] = [];
  const input: bigint[] = [];
  const bodies: number[][] = [];
  const INPUT = TEXT + 0x400000;
  const OUTPUT = TEXT + 0x800000;
  const SCRATCH = TEXT + 0xc00000 + 0xf80;
  const outputBytes = cases * CASE_WORDS * 8;
  const li = (rd: number, value: number) => [
    ((value + 0x800) & ~0xfff) | (rd << 7) | 0x37,
    iType(0x1b, 0, rd, rd, value & 0xfff),
  ];
  code.push(
    ...li(31, SCRATCH),
    ...li(30, INPUT),
    ...li(29, OUTPUT),
    iType(0x13, 0, 2, 31, 0),
    iType(0x13, 0, 9, 31, 0),
  );
  for (let n = 0; n < cases; n++) {
    const values = [...POOL.map(() => word(random)), ...floats(random)];
    input.push(...values);
    code.push(...POOL.map((r, i) => iType(0x03, 3, r, 30, i * 8)));
    for (let i = 0; i < FLOATS; i++) code.push(iType(0x07, 3, i, 30, (X_DUMPED + i) * 8));
    code.push(iType(0x13, 0, 30, 30, values.length * 8));
    // frm from the case; the flags clear, or inexact set, so that both ways through the fast paths are taken.
    code.push(
      iType(0x73, 5, 0, random.chance(60) ? 0 : random.below(5), 2),
      iType(0x73, 5, 0, random.chance(40) ? 1 : 0, 1),
    );
    const body: number[] = [];
    for (let i = 0; i < perCase; i++) body.push(...instruction(random, mix));
    bodies.push(body);
    code.push(...body);
    code.push(...POOL.map((r, i) => sType(0x23, 3, 29, r, i * 8)));
    for (let i = 0; i < FLOATS; i++) code.push(sType(0x27, 3, 29, i, (X_DUMPED + i) * 8));
    code.push(
      iType(0x73, 2, 5, 0, 3),
      sType(0x23, 3, 29, 5, (CASE_WORDS - 1) * 8),
      iType(0x13, 0, 29, 29, CASE_WORDS * 8),
    );
  }
  const write = (at: number, size: number) => [
    ...li(11, at),
    ...li(12, size),
    iType(0x13, 0, 10, 0, 1),
    iType(0x13, 0, 17, 0, 64),
    0x73,
  ];
  code.push(
    ...write(OUTPUT, outputBytes),
    ...write(SCRATCH, SCRATCH_BYTES),
    iType(0x13, 0, 10, 0, 0),
    iType(0x13, 0, 17, 0, 93),
    0x73,
  );
  const text = new Uint8Array(length(code));
  const view = new DataView(text.buffer);
  let at = 0;
  for (const w of code) {
    view.setUint16(at, w & 0xffff, true);
    if ((w & 3) === 3) view.setUint16(at + 2, w >>> 16, true);
    at += (w & 3) === 3 ? 4 : 2;
  }
  const data = new Uint8Array(new BigUint64Array(input).buffer);
  const elf = buildElf([
    { address: TEXT, bytes: text, size: text.length },
    { address: INPUT, bytes: data, size: data.length },
    { address: OUTPUT, bytes: new Uint8Array(0), size: outputBytes },
    { address: SCRATCH, bytes: new Uint8Array(0), size: SCRATCH_BYTES },
  ]);
  return { elf, cases, bodies, scratchBytes: SCRATCH_BYTES };
}
