/**
 * The frame that a signal handler gets, as Linux lays it out on this instruction set (struct rt_sigframe in
 * arch/riscv/kernel/signal.c): what the signal is about, then the registers that it interrupted.
 *
 *     0    siginfo_t                    128 bytes
 *     128  ucontext_t: flags, link      16
 *     144    alternate stack            24
 *     168    signal mask                128, of which 8 are used
 *     304    pc, x1 to x31              256
 *     560    f0 to f31, fcsr            264 of 528; the rest is zero
 */
import type { ContextRef, SavedContext, SignalContext, SignalFrames } from "../types.ts";

const At = { stack: 144, mask: 168, registers: 304, floats: 560 } as const;
const infoBytes = 128;
const contextBytes = 960;
const frameBytes = infoBytes + contextBytes;
const floatBytes = 528;
const fcsrAt = At.floats + 256;
/** Behind the registers lie marks of state that is not known here: none may be there. */
const reservedFrom = fcsrAt + 4;

const Register = { returnAddress: 1, stackPointer: 2, firstArgument: 10 } as const;

/** Registers as plain data, live ones taken off the hart and put back. */
export interface RegisterAccess {
  read(context: ContextRef): SavedContext;
  write(context: ContextRef, registers: SavedContext): void;
}

function encode(registers: SavedContext, info: Uint8Array, { mask, stack }: SignalContext): Uint8Array {
  const bytes = new Uint8Array(frameBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(info);
  view.setBigUint64(At.stack, stack.address, true);
  view.setUint32(At.stack + 8, stack.flags, true);
  view.setBigUint64(At.stack + 16, stack.size, true);
  view.setBigUint64(At.mask, mask, true);
  view.setBigUint64(At.registers, registers.pc, true);
  for (let i = 1; i < 32; i++) view.setBigUint64(At.registers + 8 * i, registers.x[i]!, true);
  for (let i = 0; i < 32; i++) view.setBigUint64(At.floats + 8 * i, registers.f[i]!, true);
  view.setUint32(fcsrAt, registers.fcsr, true);
  return bytes;
}

/** The registers that a handler left in its frame; null when there is what nobody can have put there rightly. */
function decode(bytes: Uint8Array): { registers: SavedContext; context: SignalContext } | null {
  if (bytes.subarray(reservedFrom, At.floats + floatBytes).some((byte) => byte !== 0)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const x = new BigUint64Array(32);
  const f = new BigUint64Array(32);
  for (let i = 1; i < 32; i++) x[i] = view.getBigUint64(At.registers + 8 * i, true);
  for (let i = 0; i < 32; i++) f[i] = view.getBigUint64(At.floats + 8 * i, true);
  // Instructions are at even addresses.
  const pc = view.getBigUint64(At.registers, true) & ~1n;
  const stack = {
    address: view.getBigUint64(At.stack, true),
    flags: view.getUint32(At.stack + 8, true),
    size: view.getBigUint64(At.stack + 16, true),
  };
  const registers = { x, f, pc, fcsr: view.getUint32(fcsrAt, true) & 0xff, reservation: -1n };
  return { registers, context: { mask: view.getBigUint64(At.mask, true), stack } };
}

export const signalFramesOver = ({ read, write }: RegisterAccess): SignalFrames => ({
  bytes: frameBytes,
  infoBytes,
  encode: (context, info, signalContext) => encode(read(context), info, signalContext),
  enter(context, { handler, frame, signal, returnTo }) {
    const registers = read(context);
    const x = registers.x.slice();
    x[Register.returnAddress] = returnTo;
    x[Register.stackPointer] = frame;
    x[Register.firstArgument] = BigInt(signal);
    x[Register.firstArgument + 1] = frame;
    x[Register.firstArgument + 2] = frame + BigInt(infoBytes);
    write(context, { ...registers, x, pc: handler & ~1n });
  },
  leave(context, bytes) {
    const found = decode(bytes);
    if (found === null) return null;
    write(context, found.registers);
    return found.context;
  },
});
