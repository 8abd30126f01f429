/** The bare programs of test/guest/privileged on whole machines: board, run loop and translator together. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { captureSnapshot, loadSnapshot, type Machine, restoreMachine } from "../../kernel/index.ts";
import { bareGuest, guest, hasCompiler } from "../guest/compile.ts";
import { BareMachine } from "../hardware/cpu/bare.ts";
import { bareConfig, bareMachine } from "../support/bare.ts";
import { consoleOf, forever, mustApply, runOn, sha256, testPorts } from "../support/machine.ts";

const programs: [name: string, harts: number][] = [
  ["traps", 1],
  ["paging", 1],
  ["protection", 1],
  ["registers", 1],
  ["interrupts", 1],
  ["supervisor-timer", 1],
  ["time", 1],
  ["harts", 2],
  ["harts", 8],
];

const elfOf = (name: string, harts: number): Uint8Array =>
  new Uint8Array(readFileSync(bareGuest(name, `-DHARTS=${harts}`)));

/** What follows from a snapshot of the machine, in another one whose pages have all to be fetched. */
function movedAway(machine: Machine): Machine {
  const { root, blobs } = captureSnapshot(machine, null, sha256);
  const known = new Map(blobs.map(({ hash, data }) => [hash, data]));
  const loading = loadSnapshot(root, sha256);
  while (loading.need.length > 0) loading.provide(new Map(loading.need.map((hash) => [hash, known.get(hash)!])));
  const { state, tree } = loading.result();
  const page = (number: number): Uint8Array => known.get(tree.pageHash(number))!;
  const moved = restoreMachine(state, testPorts({ fetchPages: (pages) => pages.map(page) }), (n) => tree.isZero(n));
  for (let n = 0; n < moved.memory.pages; n++) if (!moved.memory.isPresent(n)) moved.providePage(n, page(n));
  return moved;
}

describe.skipIf(!hasCompiler)("a bare program on a whole machine", () => {
  for (const [name, harts] of programs) {
    test(`${name} on ${harts} hart${harts > 1 ? "s" : ""} finds what it finds on the core alone`, () => {
      const elf = elfOf(name, harts);
      const machine = bareMachine(bareConfig(elf, { harts }));
      expect(runOn(machine)).toEqual({ kind: "idle" });
      const alone = new BareMachine(elf, { harts });
      alone.run(Number.MAX_SAFE_INTEGER);
      expect(consoleOf(machine.drainOutputs())).toBe(alone.text);
      expect(machine.summary().reason).toBe("switched off with code 0");
    });
  }

  test("what a hart has reserved is lost when a device or a client writes it", () => {
    const machine = bareMachine(bareConfig(guest("bare/reservation"), {}, { quantumInstructions: 1_000_000 }));
    let printed = "";
    for (let run = 0; run < 200 && !printed.includes("now\n"); run++) {
      machine.run({ ...forever, instructions: machine.position().instructions + 1000 });
      printed += consoleOf(machine.drainOutputs());
    }
    machine.run({ ...forever, instructions: machine.position().instructions + 1000 });
    mustApply(machine, { kind: "writePhysical", address: 0x8080_0000, bytes: Uint8Array.of(...Array(8).fill(7), 1) });
    expect(runOn(machine)).toEqual({ kind: "idle" });
    printed += consoleOf(machine.drainOutputs());
    expect(printed).toBe("device: lost\nnobody: kept\nnow\nclient: lost\n");
  });

  test("a time that was written goes along when a machine is moved", () => {
    const config = bareConfig(elfOf("time", 1));
    const whole = bareMachine(config);
    runOn(whole);
    const end = whole.position();
    const text = consoleOf(whole.drainOutputs());
    for (let at = 3; at < end.instructions; at += Math.floor(end.instructions / 7)) {
      const first = bareMachine(config);
      first.run({ instructions: at, timeNs: forever.timeNs });
      const second = movedAway(first);
      runOn(second);
      expect([at, second.position()]).toEqual([at, end]);
      expect(consoleOf(first.drainOutputs()) + consoleOf(second.drainOutputs())).toBe(text);
    }
  });

  test("eight harts go on identically when they are moved at any instruction", () => {
    const config = bareConfig(elfOf("harts", 8), { harts: 8 }, { quantumInstructions: 777 });
    const whole = bareMachine(config);
    runOn(whole);
    const end = whole.position();
    const text = consoleOf(whole.drainOutputs());
    for (let at = 5001; at < end.instructions; at += Math.floor(end.instructions / 9)) {
      const first = bareMachine(config);
      first.run({ instructions: at, timeNs: forever.timeNs });
      const second = movedAway(first);
      runOn(second);
      expect(second.position()).toEqual(end);
      expect(consoleOf([...first.drainOutputs(), ...second.drainOutputs()])).toBe(text);
      expect(second.encodeState()).toEqual(whole.encodeState());
    }
  });
});
