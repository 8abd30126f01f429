/** Programs see the same machine whatever gives out its frames; only which frame a page has is another. */
import { describe, expect, it } from "vitest";
import type { AllocatorKind, PhysicalMemoryConfig } from "../../kernel/index.ts";
import { plainMemory } from "../../kernel/mm/physical.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { runProgram } from "../support/machine.ts";

const kinds: readonly AllocatorKind[] = ["bitmap", "free_list", "buddy"];
const programs = ["hello", "allocate", "memory", "threads", "faults"];
const setAside: PhysicalMemoryConfig["setAside"] = [
  { kind: "firmware", bytes: 2 ** 20, at: "start" },
  { kind: "persistent", bytes: 2 ** 20, at: "end" },
];

/** What can be told of a run from outside. */
function seen(name: string, physicalMemory?: PhysicalMemoryConfig) {
  const config = physicalMemory === undefined ? {} : { physicalMemory };
  const { machine, console, exit, stop } = runProgram(guest(name), { config });
  const [task] = machine.tasks();
  return { console, exit, stop, position: machine.position(), faults: task?.pageFaults };
}

describe.skipIf(!hasCompiler)("a machine's allocator", () => {
  it.each(programs)("is not seen by %s, nor are zones", (name) => {
    const plain = seen(name);
    expect(plain.exit).toBeDefined();
    for (const allocator of kinds) {
      expect(seen(name, { ...plainMemory, allocator }), allocator).toEqual(plain);
      expect(seen(name, { ...plainMemory, allocator, setAside, dmaBytes: 4 * 2 ** 20 }), allocator).toEqual(plain);
    }
  });
});
