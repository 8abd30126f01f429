/** Code on a page that is a page table, too: the walk for an access may change, and so forget, what is being executed. */
import { expect, test } from "vitest";
import { PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { createRv64Core } from "../../../kernel/hardware/cpu/rv64/core.ts";
import { iType, rType } from "./encode.ts";
import { PAGE, Pte, RAM_BASE, rv64Modules } from "./machine.ts";

const [ROOT, MIDDLE, LEAF, DATA] = [0, 1, 2, 4];
const INDEX = 8;
const va = BigInt(INDEX * PAGE);
const held = 0x8765_4321_0fed_cba9n;

const MPRV_AS_SUPERVISOR = (1n << 17n) | (1n << 11n);
const SV39 = 8n << 60n;

/** In machine mode, whose loads and stores are a supervisor's; the instruction is just before the entry of `va`. */
function machineWith(instruction: number) {
  const core = createRv64Core(rv64Modules, { ramPages: 8, ramBase: RAM_BASE, harts: 1 });
  core.pageFlags.fill(PageFlag.present);
  const entry = (page: number, bits: number): bigint => (BigInt(RAM_BASE / PAGE + page) << 10n) | BigInt(bits);
  core.ramView.setBigUint64(ROOT * PAGE, entry(MIDDLE, Pte.V), true);
  core.ramView.setBigUint64(MIDDLE * PAGE, entry(LEAF, Pte.V), true);
  const at = LEAF * PAGE + 8 * INDEX;
  core.ramView.setUint32(at - 4, instruction, true);
  // As an instruction a fence, so the line goes on there.
  core.ramView.setBigUint64(at, entry(DATA, Pte.V | Pte.R | Pte.W | Pte.X), true);
  core.ramView.setBigUint64(DATA * PAGE, held, true);
  const hart = core.saveHart();
  const registers = new Map(hart.privileged!.registers);
  registers.set("mstatus", MPRV_AS_SUPERVISOR).set("satp", SV39 | BigInt(RAM_BASE / PAGE + ROOT));
  registers.set("pmpcfg0", 0x1fn).set("pmpaddr0", (1n << 54n) - 1n);
  hart.x[6] = va;
  hart.x[7] = 1n;
  core.loadHart({ ...hart, pc: BigInt(RAM_BASE + at - 4), privileged: { ...hart.privileged!, mode: 3, registers } });
  return core;
}

test.each([
  { name: "ld", instruction: iType(0x03, 3, 5, 6, 0), loaded: held, left: held },
  { name: "lb", instruction: iType(0x03, 0, 5, 6, 0), loaded: BigInt.asUintN(64, -0x57n), left: held },
  { name: "lr.d", instruction: rType(0x2f, 3, 0x08, 5, 6, 0), loaded: held, left: held },
  { name: "amoadd.d", instruction: rType(0x2f, 3, 0x00, 5, 6, 7), loaded: held, left: held + 1n },
])("$name whose walk marks an entry that has been decoded as code", ({ instruction, loaded, left }) => {
  const core = machineWith(instruction);
  expect(core.run(1)).toBe(0);
  expect(core.x[0]).toBe(0n);
  expect(core.x[5]).toBe(loaded);
  expect(core.ramView.getBigUint64(DATA * PAGE, true)).toBe(left);
});
