/** Registers and the calling convention of system calls: number in a7, arguments in a0..a5, result in a0. */
import type { Core } from "../../hardware/cpu/core.ts";
import type { ContextRef, Contexts, SavedContext } from "../types.ts";

const Register = { stackPointer: 2, threadPointer: 4, firstArgument: 10, callNumber: 17 } as const;
const argumentCount = 6;
const callBytes = 4n;

export function contextsOver(core: Core): Contexts {
  // Registers take any integer modulo 2^64, as the array they are in and the core's pc do by themselves.
  const registers = (context: ContextRef): BigUint64Array => (context === null ? core.x : context.x);
  const getPc = (context: ContextRef): bigint => (context === null ? core.getPc() : context.pc);
  const setPc = (context: ContextRef, pc: bigint): void => {
    if (context === null) core.setPc(pc);
    else context.pc = BigInt.asUintN(64, pc);
  };
  const finishCall = (context: ContextRef, result: bigint): void => {
    registers(context)[Register.firstArgument] = result;
    setPc(context, getPc(context) + callBytes);
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
    getCallNumber: (context) => registers(context)[Register.callNumber]!,
    getCallArguments(context, count) {
      const x = registers(context);
      const args: bigint[] = [];
      for (let i = 0; i < count; i++) args.push(x[Register.firstArgument + i]!);
      return args;
    },
    setCall(context, number, args) {
      const x = registers(context);
      for (let i = 0; i < argumentCount; i++) x[Register.firstArgument + i] = args[i] ?? 0n;
      x[Register.callNumber] = number;
    },
    finishCall,
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
