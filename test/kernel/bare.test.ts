/** Machines that boot bare, with a kernel of our own on them: the board and the harts together. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultTiming } from "../../kernel/hardware/cache/model.ts";
import { defaultMac } from "../../kernel/hardware/network/state.ts";
import { stateHash } from "../../kernel/index.ts";
import { decodePlain } from "../../kernel/lib/codec.ts";
import { limits } from "../../kernel/lib/limits.ts";
import { assertPlain } from "../../kernel/lib/plain.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { bareConfig, bareMachine, imageOf, typeWhenIdle } from "../support/bare.ts";
import { consoleOf, forever, noLimits, runOn, sha256 } from "../support/machine.ts";
import { Shelf } from "../support/shelf.ts";

const mebibyte = 2 ** 20;
const hasQemu = spawnSync("qemu-system-riscv64", ["--version"]).status === 0;
const image = new Uint8Array(5000).fill(0xab);

const withDisk = (harts = 2) =>
  bareConfig(guest("bare/kernel.c"), {
    harts,
    disks: [{ image: imageOf(image), bytes: mebibyte, readOnly: false }],
  });

/** Random bytes differ between machines of different seeds. */
const withoutChance = (text: string): string => text.replace(/entropy: \w+/, "entropy");

const expected = `a kernel on bare hardware
traps: ok
timer: ok
paging: ok
disk: ok, begins with 0xabababababababab
entropy
harts: ok
type: x came
`;

describe.skipIf(!hasCompiler)("a kernel of our own", () => {
  test("finds everything as it should be, and switches the machine off", () => {
    const machine = bareMachine(withDisk());
    typeWhenIdle(machine, "x");
    const outputs = machine.drainOutputs();
    expect(withoutChance(consoleOf(outputs))).toBe(expected);
    expect(outputs.at(-1)).toEqual({ kind: "power", event: "off", code: 0 });
    expect(machine.summary()).toMatchObject({ run: "idle", reason: "switched off with code 0" });
    const { instructions } = machine.position();
    expect(machine.run(forever)).toEqual({ kind: "idle" });
    expect(machine.position().instructions).toBe(instructions);
    assertPlain(decodePlain(machine.encodeState()));
  });

  test.skipIf(!hasQemu)("finds the same on QEMU's board", () => {
    const folder = mkdtempSync(join(tmpdir(), "ostler-qemu-"));
    try {
      writeFileSync(join(folder, "kernel"), guest("bare/kernel.c"));
      const disk = new Uint8Array(mebibyte);
      disk.set(image);
      writeFileSync(join(folder, "disk"), disk);
      const options = [
        ...["-M", "virt", "-m", "16", "-smp", "2", "-bios", join(folder, "kernel"), "-display", "none"],
        ...["-serial", "stdio", "-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device"],
        ...["-drive", `if=none,id=d,format=raw,file=${join(folder, "disk")}`, "-device", "virtio-blk-device,drive=d"],
      ];
      const { stdout } = spawnSync("qemu-system-riscv64", options, { input: "x", encoding: "utf8", timeout: 240_000 });
      expect(withoutChance(stdout)).toBe(expected);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("one hart does without the second", () => {
    const machine = bareMachine(withDisk(1));
    typeWhenIdle(machine, "x");
    expect(withoutChance(consoleOf(machine.drainOutputs()))).toBe(expected.replace("harts: ok\n", ""));
  });

  test("does the same where timing is modelled, and every hart has caches that were used", () => {
    const plain = bareMachine(withDisk());
    const timed = bareMachine({ ...withDisk(), timing: defaultTiming() });
    for (const machine of [plain, timed]) typeWhenIdle(machine, "x");
    expect(plain.timing()).toBeNull();
    expect(timed.position()).toEqual(plain.position());
    expect(consoleOf(timed.drainOutputs())).toBe(consoleOf(plain.drainOutputs()));
    const { harts, stallCycles } = timed.timing()!;
    expect(harts.map(({ instructions, data }) => instructions.misses > 0 && data.hits > 100)).toEqual([true, true]);
    expect(harts[0]!.dataTlb.misses).toBeGreaterThan(0);
    const cut = bareMachine({ ...withDisk(), timing: defaultTiming() });
    const inPieces = (): void => {
      for (let piece = 1; ; piece = (piece % 3000) + 7) {
        const instructions = cut.position().instructions + piece;
        if (cut.run({ instructions, timeNs: Number.MAX_SAFE_INTEGER }).kind !== "limit") return;
      }
    };
    inPieces();
    cut.apply({ kind: "console", bytes: new TextEncoder().encode("x") });
    inPieces();
    expect(cut.timing()).toEqual({ ...timed.timing()!, stallCycles });
  });

  test("where a host cuts its run changes nothing", () => {
    const whole = bareMachine(withDisk());
    typeWhenIdle(whole, "x");
    const end = whole.position();
    const text = consoleOf(whole.drainOutputs());
    const state = stateHash(whole, null, sha256);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }), (slices) => {
        const machine = bareMachine(withDisk());
        const cut = (): void => {
          for (let i = 0; ; i++) {
            const { instructions } = machine.position();
            const stop = machine.run({
              instructions: instructions + slices[i % slices.length]!,
              timeNs: Number.MAX_SAFE_INTEGER,
            });
            if (i % 7 === 0) machine.encodeState();
            if (stop.kind !== "limit") return;
          }
        };
        cut();
        machine.apply({ kind: "console", bytes: new TextEncoder().encode("x") });
        cut();
        expect(machine.position()).toEqual(end);
        expect(consoleOf(machine.drainOutputs())).toBe(text);
        expect(stateHash(machine, null, sha256)).toBe(state);
      }),
      { numRuns: 15 },
    );
  });

  test("goes on identically from a snapshot at any instruction, in another machine", () => {
    const whole = bareMachine(withDisk());
    typeWhenIdle(whole, "x");
    const end = whole.position().instructions;
    const final = stateHash(whole, null, sha256);
    for (let at = 1; at < end; at += Math.floor(end / 23)) {
      const shelf = new Shelf();
      const first = bareMachine(withDisk());
      first.run({ instructions: at, timeNs: Number.MAX_SAFE_INTEGER });
      const before = first.position();
      const captured = shelf.capture(first, null);
      const { machine, tree } = shelf.load(captured.root);
      expect(machine.position()).toEqual(before);
      expect(stateHash(machine, tree, sha256)).toBe(captured.root);
      shelf.run(machine, tree);
      // What devices touch comes before they do.
      expect(shelf.fetchedAtOnce).toBe(0);
      if (machine.summary().reason.startsWith("every hart")) {
        machine.apply({ kind: "console", bytes: new TextEncoder().encode("x") });
        shelf.run(machine, tree);
      }
      expect(machine.position().instructions).toBe(end);
      expect(stateHash(machine, tree, sha256)).toBe(final);
    }
  });

  test("frames come by inputs and leave as outputs, the same from a snapshot in between", () => {
    const config = bareConfig(guest("bare/frames.c"), { network: { cable: "frames", mac: "52:54:00:00:00:01" } });
    const frame = (number: number): Uint8Array =>
      Uint8Array.of(0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 2, 0x88, 0xb5, number);
    const shelf = new Shelf();
    const machine = bareMachine(config);
    runOn(machine);
    for (const number of [9, 7]) expect(machine.apply({ kind: "frame", bytes: frame(number) })).toEqual({ ok: true });
    const { root } = shelf.capture(machine, null);
    machine.drainOutputs();
    runOn(machine);
    const outputs = machine.drainOutputs();
    const sent = outputs.filter((output) => output.kind === "frame");
    expect(sent.map(({ sequence, bytes }) => [sequence, bytes.length, bytes[5], bytes[11], bytes[14]])).toEqual([
      [1, 60, 2, 1, 8],
      [2, 60, 2, 1, 6],
    ]);
    expect(sent[0]!.at.timeNs).toBeLessThan(sent[1]!.at.timeNs);
    expect(consoleOf(outputs)).toBe("caught 9\ncaught 7\n");
    expect(machine.summary()).toMatchObject({ run: "idle", framesSent: 2 });
    const { machine: again, tree } = shelf.load(root);
    shelf.run(again, tree);
    expect(again.drainOutputs()).toEqual(outputs);
    expect(again.position()).toEqual(machine.position());
  });

  test("frames that cannot come are refused, and change nothing", () => {
    const machine = bareMachine(bareConfig(guest("bare/frames.c"), { network: { cable: "frames", mac: defaultMac } }));
    const refusal = (bytes: number) => {
      const result = machine.apply({ kind: "frame", bytes: new Uint8Array(bytes) });
      return result.ok ? null : [result.error.code, result.error.field];
    };
    expect([refusal(13), refusal(1515)]).toEqual([
      ["invalid", "bytes"],
      ["invalid", "bytes"],
    ]);
    for (let n = 0; n < limits.waitingFrames; n++) expect(refusal(14)).toBeNull();
    expect(refusal(14)).toEqual(["exhausted", "bytes"]);
    const responder = bareMachine(bareConfig(guest("bare/frames.c")));
    expect(responder.apply({ kind: "frame", bytes: new Uint8Array(60) })).toMatchObject({
      ok: false,
      error: { code: "failedPrecondition" },
    });
  });

  test("a disk's written pages are in its snapshots, each once", () => {
    const shelf = new Shelf();
    const machine = bareMachine(withDisk());
    runOn(machine);
    const first = shelf.capture(machine, null);
    const second = shelf.capture(machine, first.tree);
    expect(second.stats).toMatchObject({ examinedPages: 0, changedPages: 0 });
    expect(second.root).toBe(first.root);
    const ramPages = machine.config.memoryBytes / 4096;
    expect(machine.memory.pages).toBe(ramPages + mebibyte / 4096);
    const written = Array.from({ length: 256 }, (_, page) => page).filter(
      (page) => !first.tree.isZero(ramPages + page),
    );
    expect(written).toEqual([0]);
    const { machine: restored } = shelf.load(first.root);
    expect(restored.memory.isPresent(ramPages)).toBe(false);
    restored.apply({ kind: "console", bytes: new TextEncoder().encode("x") });
    const page = restored.memory.page(ramPages);
    expect([page[0], page[3 * 512 + 1], page[4 * 512]]).toEqual([0xab, 7, 0xab]);
  });
});

describe.skipIf(!hasCompiler)("a machine that boots bare", () => {
  test("resets itself: image, devices and harts anew, other RAM as it was", () => {
    const machine = bareMachine(bareConfig(guest("bare/reset.c")));
    runOn(machine);
    const outputs = machine.drainOutputs();
    expect(consoleOf(outputs)).toBe("boot 0x0000000000000000\nboot 0x0000000000000001\n");
    expect(outputs.filter(({ kind }) => kind === "power")).toEqual([
      { kind: "power", event: "reset", code: 0 },
      { kind: "power", event: "off", code: 0 },
    ]);
  });

  test("pauses, and refuses what needs a kernel of ours", () => {
    const machine = bareMachine({ ...withDisk(), startsPaused: true });
    expect(machine.run(forever)).toEqual({ kind: "paused" });
    const refused = machine.apply({
      kind: "startProgram",
      path: "/bin/x",
      arguments: [],
      environment: null,
      input: { kind: "console" },
      limits: noLimits,
    });
    expect(refused).toMatchObject({ ok: false, error: { code: "failedPrecondition" } });
    machine.apply({ kind: "resume", untilInstructions: 1000, untilTimeNs: null });
    expect(machine.run(forever)).toEqual({ kind: "paused" });
    expect(machine.position().instructions).toBe(1000);
  });

  test("says what is wrong with an image", () => {
    const tooLarge = bareConfig(guest("bare/kernel.c"), { kernel: imageOf(new Uint8Array(20 * mebibyte)) });
    expect(() => bareMachine(tooLarge)).toThrow(/kernel: the kernel at 0x80200000 does not fit RAM/);
    const overlapping = bareConfig(new Uint8Array(3 * mebibyte), { kernel: imageOf(new Uint8Array(100)) });
    expect(() => bareMachine(overlapping)).toThrow(/kernel: the kernel at 0x80200000 lies over the firmware/);
  });

  test("shows its devices in the memory map", () => {
    const machine = bareMachine(withDisk());
    const names = machine.memoryMap().ranges.map(({ name }) => name);
    expect(names).toEqual(["rom", "finisher", "rtc", "clint", "plic", "uart", "virtio", "ram"]);
  });
});
