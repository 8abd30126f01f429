/**
 * Registers as debuggers know them: sets of words with a number each (elf.h's NT_PRSTATUS and NT_PRFPREG), as
 * arch/riscv/kernel/ptrace.c lays them out.
 */
import type { ContextRef, RegisterSets, SavedContext } from "../types.ts";
import type { RegisterAccess } from "./signal-frame.ts";

const words = 32;
const firstArgument = 10;

interface Layout {
  bytes: number;
  encode(registers: SavedContext, view: DataView): void;
  decode(registers: SavedContext, view: DataView): SavedContext;
}

/** pc, then x1 to x31. */
const general: Layout = {
  bytes: 8 * words,
  encode({ pc, x }, view) {
    view.setBigUint64(0, pc, true);
    for (let i = 1; i < words; i++) view.setBigUint64(8 * i, x[i]!, true);
  },
  decode(registers, view) {
    const x = registers.x.slice();
    for (let i = 1; i < words; i++) x[i] = view.getBigUint64(8 * i, true);
    // Instructions are at even addresses.
    return { ...registers, x, pc: view.getBigUint64(0, true) & ~1n };
  },
};

/** f0 to f31, then the control word. */
const floating: Layout = {
  bytes: 8 * words + 8,
  encode({ f, fcsr }, view) {
    for (let i = 0; i < words; i++) view.setBigUint64(8 * i, f[i]!, true);
    view.setUint32(8 * words, fcsr, true);
  },
  decode(registers, view) {
    const f = registers.f.slice();
    for (let i = 0; i < words; i++) f[i] = view.getBigUint64(8 * i, true);
    return { ...registers, f, fcsr: view.getUint32(8 * words, true) & 0xff };
  },
};

const sets = new Map<number, Layout>([
  [1, general],
  [2, floating],
]);

export const registerSetsOver = ({ read, write }: RegisterAccess): RegisterSets => ({
  sizeOf: (set) => sets.get(set)?.bytes ?? null,
  read(context: ContextRef, set) {
    const layout = sets.get(set);
    if (layout === undefined) return null;
    const bytes = new Uint8Array(layout.bytes);
    layout.encode(read(context), new DataView(bytes.buffer));
    return bytes;
  },
  write(context, set, bytes) {
    const layout = sets.get(set)!;
    const whole = new Uint8Array(layout.bytes);
    const view = new DataView(whole.buffer);
    const registers = read(context);
    layout.encode(registers, view);
    whole.set(bytes.subarray(0, layout.bytes));
    write(context, layout.decode(registers, view));
  },
  pcAt: 0,
  resultAt: 8 * firstArgument,
});
