/**
 * Loads, stores and atomics at every kind of address, aligned and not, by translated code beside the interpreter: all on
 * a page, across two, where there is nothing, where the second page is missing, read-only, of a device, or of code; and at
 * the first and the last address there is.
 */
import { describe, expect, test } from "vitest";
import type { Bus, Core } from "../../../../kernel/hardware/cpu/core.ts";
import type { Translations } from "../../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { bType, iType, rType, sType } from "../encode.ts";
import { addi, CODE, CoreStop, DATA } from "../fixture.ts";
import { Machine, PAGE, RAM_BASE, RO, RW, RWX } from "../machine.ts";
import { loop, ways } from "../ways.ts";

const ADDRESS = 12;
const VALUE = 15;
const COPY = 14;
const DEVICE_PAGE = 0x10000;
const RAM_PAGES = 64;
const STORE = 0x0123_4567_89ab_cdefn;

const byBase: Record<string, (base: number) => number> = {
  ...Object.fromEntries(
    ["lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"].map((name, f3) => [name, (b: number) => iType(0x03, f3, 16, b, 0)]),
  ),
  ...Object.fromEntries(
    ["sb", "sh", "sw", "sd"].map((name, f3) => [name, (b: number) => sType(0x23, f3, b, VALUE, 0)]),
  ),
  flw: (b) => iType(0x07, 2, 3, b, 0),
  fld: (b) => iType(0x07, 3, 3, b, 0),
  fsw: (b) => sType(0x27, 2, b, 4, 0),
  fsd: (b) => sType(0x27, 3, b, 4, 0),
  "lr.w": (b) => rType(0x2f, 2, 2 << 2, 16, b, 0),
  "sc.d": (b) => rType(0x2f, 3, 3 << 2, 16, b, VALUE),
  "amoadd.d": (b) => rType(0x2f, 3, 0, 16, b, VALUE),
  "amoswap.w": (b) => rType(0x2f, 2, 1 << 2, 16, b, VALUE),
};

/** Answers with what it was asked last. */
function device(): Bus {
  let held = 0x1122_3344_5566_7788n;
  return {
    read: (address, size) => BigInt.asUintN(8 * size, held + BigInt(address)),
    write: (_, __, value) => {
      held = value;
      return true;
    },
  };
}

/** Where pages begin that are something particular: each differs from the one before and the one behind. */
const HOLE = DATA + 0x2000n;
const READABLE = DATA + 0x3000n;
const DEVICE = DATA + 0x5000n;
const LAST_OF_RAM = DATA + 0x7000n;
const HIGHEST = 0xffff_ffff_ffff_f000n;
const borders = [DATA + 0x1000n, HOLE, READABLE, READABLE + 0x1000n, DEVICE, DEVICE + 0x1000n, LAST_OF_RAM + 0x1000n];
const nears = [-9, -8, -7, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 8, 9];
const addresses = [...borders, CODE, CODE + 0x1000n, 0n].flatMap((border) =>
  nears.map((near) => BigInt.asUintN(64, border + BigInt(near))),
);

function machine(translations: Translations | undefined, words: number[], ends: boolean): Machine {
  const m = new Machine(RAM_PAGES, device(), null, translations);
  m.code(m.mapFresh(CODE, 1, RWX), words);
  m.mapFresh(DATA, 2, RW);
  m.mapFresh(READABLE, 1, RO);
  m.mapPhysical(DEVICE, DEVICE_PAGE, RW);
  // Behind the last page there is RAM in addresses only.
  m.map(LAST_OF_RAM, RAM_PAGES - 1, RW);
  m.mapPhysical(LAST_OF_RAM + 0x1000n, RAM_BASE / PAGE + 2 ** 20, RW);
  if (ends) for (const end of [0n, HIGHEST]) m.mapFresh(end, 1, RW);
  return m;
}

interface Outcome {
  stop: CoreStop;
  executed: number;
  pc: bigint;
  value: bigint;
  registers: Buffer;
}

function access(core: Core, address: bigint, times: bigint): Outcome {
  core.x[ADDRESS] = address;
  core.x[VALUE] = STORE;
  core.f[4] = 0x3ff0_0000_4048_f5c3n;
  core.x[13] = times;
  core.setPc(CODE);
  const stop = core.run(1000);
  return {
    ...{ stop, executed: core.executed(), pc: core.getPc() },
    value: stop === CoreStop.ecall ? 0n : core.faultValue(),
    registers: Buffer.concat([core.x, core.f].map((all) => new Uint8Array(all.buffer, all.byteOffset, all.byteLength))),
  };
}

for (const ends of [false, true])
  describe(
    ends ? "with pages at both ends of the address space" : "with nothing at the ends of the address space",
    () => {
      for (const [name, instruction] of Object.entries(byBase))
        test(name, () => {
          for (const words of [
            // By a register whose page is remembered, and by one that is computed anew.
            loop(instruction(ADDRESS)),
            [addi(COPY, ADDRESS, 0), ...loop(instruction(COPY))].with(3, bType(1, 13, 0, -12)),
          ])
            lockstep(words, ends);
        });
    },
  );

function lockstep(words: number[], ends: boolean): void {
  const [one, other] = [ways.interpreter(), ways.translator()].map((way) => machine(way, words, ends).core) as [
    Core,
    Core,
  ];
  for (const address of addresses)
    for (const times of [1n, 4n]) {
      const [interpreted, translated] = [access(one, address, times), access(other, address, times)];
      const same = interpreted.registers.equals(translated.registers) && Buffer.compare(one.ram, other.ram) === 0;
      const { registers: _, ...rest } = translated;
      expect({ ...rest, same, address }).toEqual({ ...interpreted, registers: undefined, same: true, address });
    }
}

test("the first and the last bytes are looked for, where nothing is, as any others", () => {
  for (const translations of [ways.interpreter(), ways.translator()]) {
    const { core } = machine(translations, loop(iType(0x03, 0, 16, ADDRESS, 0)), false);
    access(core, DATA, 10n);
    for (const address of [0n, 1n, 4095n, 2n ** 64n - 1n, 2n ** 64n - 4096n])
      expect(access(core, address, 10n)).toMatchObject({ stop: CoreStop.loadPageFault, value: address });
  }
});
