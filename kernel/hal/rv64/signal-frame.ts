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
  /** Of a live hart in an object that the next call writes into: not to be kept. */
  read(context: ContextRef): SavedContext;
  /** Copies them. */
  write(context: ContextRef, registers: SavedContext): void;
  /** The integer registers themselves. */
  integers(context: ContextRef): BigUint64Array;
  setPc(context: ContextRef, pc: bigint): void;
}

/** Room for one frame, used for each: making typed arrays would cost more than all the rest. */
interface Room {
  bytes: Uint8Array;
  view: DataView;
  /** The same as words. */
  longs: BigUint64Array;
  words: Uint32Array;
  registers: SavedContext;
}

function roomForFrame(): Room {
  const { buffer } = new Uint8Array(frameBytes);
  return {
    bytes: new Uint8Array(buffer),
    view: new DataView(buffer),
    longs: new BigUint64Array(buffer),
    words: new Uint32Array(buffer),
    registers: { x: new BigUint64Array(32), f: new BigUint64Array(32), pc: 0n, fcsr: 0, reservation: -1n },
  };
}

function encode(room: Room, registers: SavedContext, info: Uint8Array, { mask, stack }: SignalContext): Uint8Array {
  const { bytes, view, longs } = room;
  bytes.fill(0);
  bytes.set(info);
  view.setBigUint64(At.stack, stack.address, true);
  view.setUint32(At.stack + 8, stack.flags, true);
  view.setBigUint64(At.stack + 16, stack.size, true);
  view.setBigUint64(At.mask, mask, true);
  // In the place of x0, which holds nothing, there is the pc.
  longs.set(registers.x, At.registers / 8);
  longs[At.registers / 8] = registers.pc;
  longs.set(registers.f, At.floats / 8);
  view.setUint32(fcsrAt, registers.fcsr, true);
  return bytes;
}

/** The registers that a handler left in its frame; null when there is what nobody can have put there rightly. */
function decode({ view, longs, words, registers }: Room): { registers: SavedContext; context: SignalContext } | null {
  for (let i = reservedFrom / 4; i < (At.floats + floatBytes) / 4; i++) if (words[i] !== 0) return null;
  const { x, f } = registers;
  for (let i = 1; i < 32; i++) x[i] = longs[At.registers / 8 + i]!;
  for (let i = 0; i < 32; i++) f[i] = longs[At.floats / 8 + i]!;
  // Instructions are at even addresses.
  registers.pc = view.getBigUint64(At.registers, true) & ~1n;
  registers.fcsr = view.getUint32(fcsrAt, true) & 0xff;
  const stack = {
    address: view.getBigUint64(At.stack, true),
    flags: view.getUint32(At.stack + 8, true),
    size: view.getBigUint64(At.stack + 16, true),
  };
  return { registers, context: { mask: view.getBigUint64(At.mask, true), stack } };
}

export function signalFramesOver({ read, write, integers, setPc }: RegisterAccess): SignalFrames {
  const room = roomForFrame();
  return {
    room: room.bytes,
    infoBytes,
    encode: (context, info, signalContext) => encode(room, read(context), info, signalContext),
    enter(context, { handler, frame, signal, returnTo }) {
      const x = integers(context);
      x[Register.returnAddress] = returnTo;
      x[Register.stackPointer] = frame;
      x[Register.firstArgument] = BigInt(signal);
      x[Register.firstArgument + 1] = frame;
      x[Register.firstArgument + 2] = frame + BigInt(infoBytes);
      setPc(context, handler & ~1n);
    },
    leave(context) {
      const found = decode(room);
      if (found === null) return null;
      write(context, found.registers);
      return found.context;
    },
  };
}
