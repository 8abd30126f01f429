/** Calls that cost the host much for few instructions: a run ends soon, and where it ends changes nothing. */
import { describe, expect, it } from "vitest";
import { defaultTiming, type TimingConfig } from "../../kernel/hardware/cache/model.ts";
import type { Machine } from "../../kernel/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { bareConfig, bareMachine } from "../support/bare.ts";
import { floods } from "../support/floods.ts";
import { compileC } from "../support/guest.ts";
import { consoleOf, fileOf, forever, mustApply, sha256Hex, startInput, testMachine } from "../support/machine.ts";

function costly(pages: number, rounds: number): Machine {
  const machine = testMachine({ files: [fileOf("/bin/costly", guest("costly"))] });
  mustApply(machine, startInput("/bin/costly", { arguments: ["/bin/costly", String(pages), String(rounds)] }));
  return machine;
}

/** Runs to the end; how many instructions each run covered, and whether it stopped although it could go on. */
function runs(machine: Machine, instructions: number): { stops: number; longest: number } {
  let stops = 0;
  let longest = 0;
  for (;;) {
    const from = machine.position().instructions;
    const stop = machine.run({ ...forever, instructions: from + instructions });
    longest = Math.max(longest, machine.position().instructions - from);
    if (stop.kind !== "limit") return { stops, longest };
    stops += 1;
  }
}

describe.skipIf(!hasCompiler)("the effort of a run", () => {
  it("ends a run of few instructions that makes costly calls", () => {
    const machine = costly(3000, 500);
    const { stops } = runs(machine, forever.instructions);
    expect(consoleOf(machine.drainOutputs())).toBe("ok\n");
    expect(stops).toBeGreaterThan(3);
  });

  it("does not end a run that only computes", () => {
    const machine = costly(2, 1);
    expect(runs(machine, forever.instructions).stops).toBe(0);
  });

  it("changes nothing by where it ends a run", () => {
    const whole = costly(2000, 300);
    const cut = costly(2000, 300);
    const { stops } = runs(whole, forever.instructions);
    expect(runs(cut, 1000).stops).toBeGreaterThan(stops);
    expect(sha256Hex(cut.encodeState())).toBe(sha256Hex(whole.encodeState()));
  });

  it("ends a run in which time jumps from timer to timer for ever, and changes nothing by that", () => {
    const waiting = () => {
      const files = [fileOf("/bin/timers", compileC(floods["timers whose signals nobody takes"]))];
      const machine = testMachine({ files });
      mustApply(machine, startInput("/bin/timers"));
      return machine;
    };
    const machine = waiting();
    for (let run = 0; run < 2; run++) expect(machine.run(forever)).toEqual({ kind: "limit" });
    const cut = waiting();
    const end = machine.position();
    expect(end.timeNs).toBeGreaterThan(end.instructions);
    while (cut.position().timeNs < end.timeNs)
      cut.run({ ...end, timeNs: Math.min(end.timeNs, cut.position().timeNs + 300_000_000) });
    expect(sha256Hex(cut.encodeState())).toBe(sha256Hex(machine.encodeState()));
  });
});

/** Each page of memory holds a single return, and there are more of them than any core keeps decoded. */
const manyPages = `#include <sys/mman.h>
int main(void) { enum { pages = 600 };
  char *code = mmap(0, pages << 12, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < pages; i++) *(unsigned short *)(code + ((long)i << 12)) = 0x8082;
  for (int i = 0;; i = (i + 1) % pages) ((void (*)(void))(code + ((long)i << 12)))(); }`;

const inUserMode = (): Machine => {
  const machine = testMachine({ files: [fileOf("/bin/pages", compileC(manyPages))] });
  mustApply(machine, startInput("/bin/pages"));
  return machine;
};

const inMachineMode = (kind: number, timing?: TimingConfig) => (): Machine =>
  bareMachine(bareConfig(guest("bare/dear", `-DKIND=${kind}`), {}, timing && { timing }));

const hugeTlb = { entries: 4096, ways: 64, replacement: "lru" } as const;

describe.skipIf(!hasCompiler)("instructions that cost the host much", () => {
  const enough = 2_000_000;

  it.each<[string, () => Machine]>([
    ["changes of memory protection", inMachineMode(0)],
    ["changes of spaces and of the meaning of addresses", inMachineMode(1)],
    ["changes of a page table that is in use", inMachineMode(2)],
    ["code on more pages than are kept", inMachineMode(3)],
    ["code that is written while it runs", inMachineMode(4)],
    ["accesses to devices", inMachineMode(5)],
    [
      "fences where TLBs are modelled",
      inMachineMode(6, { ...defaultTiming(), dataTlb: hugeTlb, instructionTlb: hugeTlb }),
    ],
    ["code of a program on more pages than are kept", inUserMode],
  ])("end a run soon, and change nothing by that: %s", (_, create) => {
    const machine = create();
    for (let run = 0; run < 2; run++)
      expect(machine.run({ ...forever, instructions: enough })).toEqual({ kind: "limit" });
    const end = machine.position();
    expect(end.instructions).toBeLessThan(enough);
    const cut = create();
    while (cut.position().instructions < end.instructions)
      cut.run({ ...end, instructions: Math.min(end.instructions, cut.position().instructions + 1009) });
    expect(sha256Hex(cut.encodeState())).toBe(sha256Hex(machine.encodeState()));
  });
});
