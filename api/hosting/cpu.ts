/** The CPU's modules, as workers get them. */
import { readFileSync } from "node:fs";
import type { CpuModules } from "../../kernel/index.ts";

function compile(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`../../kernel/hardware/cpu/rv64/build/${name}`, import.meta.url)));
}

export const compileCpu = (): CpuModules => ({ functional: compile("rv64.wasm"), timed: compile("rv64-timed.wasm") });
