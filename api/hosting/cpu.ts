/** What executes guest code: compiled once, given to every worker, and completed there by what is translated. */
import { readFileSync } from "node:fs";
import v8 from "node:v8";

/*
 * V8 replaces what leads from WebAssembly to an imported JavaScript function by better code after some calls, and keeps
 * that for all threads in one table. Two threads that do it at once can free the same code twice, which V8 notices and
 * ends the process ("jit_page_->allocations_.erase(addr) == 1", below Runtime_TierUpWasmToJSWrapper; nodejs/node#64500).
 * Never doing it costs nothing that can be measured: the database's WebAssembly and ours seldom call out.
 */
v8.setFlagsFromString("--wasm-wrapper-tiering-budget=2000000000");

// Translations say which of their branches are seldom taken. With that V8 keeps the code for them out of the way.
v8.setFlagsFromString("--experimental-wasm-branch-hinting");

// A worker has garbage collected when machines have left it: see worker/reclaimer.ts.
v8.setFlagsFromString("--expose-gc");

function compile(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`../../kernel/hardware/cpu/rv64/build/${name}`, import.meta.url)));
}

export interface CompiledCpu {
  functional: WebAssembly.Module;
  timed: WebAssembly.Module;
  /** Whether hot code is translated. Machines compute the same either way. */
  translate: boolean;
  /** Of one worker: how many translations it keeps, and their bytes (two i32). */
  figures?: SharedArrayBuffer;
}

export const compileCpu = (translate = true): CompiledCpu => ({
  functional: compile("rv64.wasm"),
  timed: compile("rv64-timed.wasm"),
  translate,
});
