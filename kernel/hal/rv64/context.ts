/** Registers and the calling convention of system calls: number in a7, arguments in a0..a5, result in a0. */
import type { Core } from "../../hardware/cpu/core.ts";
import type { ContextRef, Contexts, SavedContext } from "../types.ts";
import type { RegisterAccess } from "./signal-frame.ts";

const Register = { stackPointer: 2, threadPointer: 4, firstArgument: 10, callNumber: 17 } as const;
const argumentCount = 6;
/** seL4_UserContext behind the pc: ra sp gp, s0 to s11, a0 to a7, t0 to t6, tp. */
const userOrder = [
  ...[1, 2, 3, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27],
  ...[10, 11, 12, 13, 14, 15, 16, 17, 5, 6, 7, 28, 29, 30, 31, 4],
];
const callBytes = 4;

type Registers = (context: ContextRef) => BigUint64Array;

/** All of a thread's registers at once, for those who control it. */
function userRegistersOver(
  registers: Registers,
  getPc: Contexts["getPc"],
  setPc: (context: ContextRef, pc: bigint) => void,
): Pick<Contexts, "getUserRegisters" | "setUserRegisters" | "setThreadPointer"> {
  return {
    getUserRegisters: (context) => [getPc(context), ...userOrder.map((register) => registers(context)[register]!)],
    setUserRegisters(context, values) {
      // Instructions are at even addresses.
      if (values.length > 0) setPc(context, values[0]! & ~1n);
      const x = registers(context);
      for (const [i, value] of values.slice(1, 1 + userOrder.length).entries()) x[userOrder[i]!] = value;
    },
    setThreadPointer(context, value) {
      registers(context)[Register.threadPointer] = value;
    },
  };
}

/** For those who need all registers at once. */
export function registerAccessOver(core: Core): RegisterAccess {
  let live: SavedContext | undefined;
  return {
    read(context) {
      if (context !== null) return context;
      live = core.saveHart(live);
      return live;
    },
    write(context, registers) {
      if (context === null) {
        core.loadHart(registers);
        return;
      }
      const { x, f, ...rest } = registers;
      context.x.set(x);
      context.f.set(f);
      Object.assign(context, rest);
    },
    integers: (context) => (context === null ? core.x : context.x),
    setPc(context, pc) {
      if (context === null) core.setPc(pc);
      else context.pc = BigInt.asUintN(64, pc);
    },
  };
}

/** The registers that a call's number and arguments are in. */
function callRegistersOver(
  registers: Registers,
): Pick<
  Contexts,
  "getCallNumber" | "getCallArguments" | "getCallArgument" | "copyArguments" | "setCall" | "setCallArgument"
> {
  return {
    getCallNumber: (context) => registers(context)[Register.callNumber]!,
    getCallArguments(context, count) {
      const x = registers(context);
      const args: bigint[] = [];
      for (let i = 0; i < count; i++) args.push(x[Register.firstArgument + i]!);
      return args;
    },
    getCallArgument: (context, index) => registers(context)[Register.firstArgument + index]!,
    copyArguments(from, to, first, count) {
      const source = registers(from);
      const target = registers(to);
      const begin = Register.firstArgument + first;
      for (let i = begin; i < begin + count; i++) target[i] = source[i]!;
    },
    setCall(context, number, args) {
      const x = registers(context);
      for (let i = 0; i < argumentCount; i++) x[Register.firstArgument + i] = args[i] ?? 0n;
      x[Register.callNumber] = number;
    },
    setCallArgument(context, index, value) {
      registers(context)[Register.firstArgument + index] = value;
    },
  };
}

export function contextsOver(core: Core): Contexts {
  // Registers take any integer modulo 2^64, as the array they are in and the core's pc do by themselves.
  const registers = (context: ContextRef): BigUint64Array => (context === null ? core.x : context.x);
  const getPc = (context: ContextRef): bigint => (context === null ? core.getPc() : context.pc);
  const setPc = (context: ContextRef, pc: bigint): void => {
    if (context === null) core.setPc(pc);
    else context.pc = BigInt.asUintN(64, pc);
  };
  const passCall = (context: ContextRef): void => {
    if (context === null) core.advancePc(callBytes);
    else setPc(context, context.pc + BigInt(callBytes));
  };
  const finishCall = (context: ContextRef, result: bigint): void => {
    registers(context)[Register.firstArgument] = result;
    passCall(context);
  };

  /** What was loaded last: the next save writes into it, since making typed arrays costs more than all the rest. */
  let spare: SavedContext | undefined;

  return {
    create(pc, stackPointer) {
      const x = new BigUint64Array(32);
      x[Register.stackPointer] = BigInt(stackPointer);
      return { x, f: new BigUint64Array(32), pc: BigInt(pc), fcsr: 0, reservation: -1n };
    },
    save() {
      const context = core.saveHart(spare);
      spare = undefined;
      return context;
    },
    load(context) {
      core.loadHart(context);
      core.clearReservation();
      spare = context;
    },
    getPc,
    getStackPointer: (context) => registers(context)[Register.stackPointer]!,
    ...callRegistersOver(registers),
    ...userRegistersOver(registers, getPc, setPc),
    finishCall,
    passCall,
    callBytes,
    fork(context, stackPointer, threadPointer) {
      const from = context ?? core.saveHart();
      const copy: SavedContext = {
        x: from.x.slice(),
        f: from.f.slice(),
        pc: from.pc,
        fcsr: from.fcsr,
        reservation: -1n,
      };
      if (stackPointer !== null) copy.x[Register.stackPointer] = stackPointer;
      if (threadPointer !== null) copy.x[Register.threadPointer] = threadPointer;
      finishCall(copy, 0n);
      return copy;
    },
  };
}
