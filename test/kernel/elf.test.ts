/** Executables: what is accepted, what is refused and in which words, and what no file may do to the machine. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InputError } from "../../kernel/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  mustApply,
  runOn,
  runProgram,
  startInput,
  testMachine,
} from "../support/machine.ts";

const tiny = (): Uint8Array => guest("tiny.S", "-nostdlib");

function refusal(content: Uint8Array): InputError | undefined {
  const machine = testMachine({ memoryBytes: 2 ** 20, files: [fileOf("/bin/x", content)] });
  const before = machine.encodeState();
  const result = machine.apply(startInput("/bin/x"));
  if (result.ok) return undefined;
  expect(machine.encodeState()).toEqual(before);
  return result.error;
}

/** The file with some of its bytes changed. */
function patched(changes: readonly [at: number, bytes: number, value: bigint][]): Uint8Array {
  const copy = tiny().slice();
  const view = new DataView(copy.buffer);
  for (const [at, bytes, value] of changes) {
    if (bytes === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (bytes === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    else if (bytes === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
    else view.setUint8(at, Number(BigInt.asUintN(8, value)));
  }
  return copy;
}

const headerAt = (index: number): number => 64 + index * 56;
function loadHeaders(): number[] {
  const content = tiny();
  const view = new DataView(content.buffer);
  const count = view.getUint16(56, true);
  return Array.from({ length: count }, (_, i) => headerAt(i)).filter((at) => view.getUint32(at, true) === 1);
}

describe.skipIf(!hasCompiler)("executables (needs riscv64-linux-gnu-gcc)", () => {
  it("runs a fixed and a position-independent one", () => {
    expect(runProgram(tiny())).toMatchObject({ console: "tiny\n", exit: { status: { kind: "exited", code: 3 } } });
    const { console, exit } = runProgram(guest("hello", "-static-pie"));
    expect(console).toMatch(/^hello, world/);
    expect(exit?.status).toEqual({ kind: "exited", code: 7 });
  });

  it("refuses a dynamically linked one and says what to do", () => {
    const dynamic = guest("tiny.S", "-nostdlib", "-fPIE", "-pie");
    expect(refusal(dynamic)).toMatchObject({
      code: "badExecutable",
      field: "path",
      message: expect.stringContaining("link it with -static"),
    });
  });

  it("loads a dynamically linked one by the program that it names, which finds both", () => {
    const dynamic = guest("tiny.S", "-nostdlib", "-fPIE", "-pie", "-Wl,--dynamic-linker=/bin/linker");
    const machine = testMachine({
      files: [fileOf("/bin/x", dynamic), fileOf("/bin/linker", guest("arguments", "-static-pie"))],
    });
    const task = mustApply(machine, startInput("/bin/x", { environment: [] }));
    runOn(machine);
    const outputs = machine.drainOutputs();
    expect(consoleOf(outputs)).toContain("execfn /bin/x\n");
    expect(exitOf(outputs, task)?.status).toEqual({ kind: "exited", code: 0 });
    // One with a place of its own goes there, if nothing else is there.
    const fixed = testMachine({ files: [fileOf("/bin/x", dynamic), fileOf("/bin/linker", tiny())] });
    mustApply(fixed, startInput("/bin/x"));
    runOn(fixed);
    expect(consoleOf(fixed.drainOutputs())).toBe("tiny\n");
  });

  it("refuses a path of a dynamic linker that is none", () => {
    const dynamic = guest("tiny.S", "-nostdlib", "-fPIE", "-pie").slice();
    const view = new DataView(dynamic.buffer);
    const at = Array.from({ length: view.getUint16(56, true) }, (_, i) => headerAt(i)).find(
      (header) => view.getUint32(header, true) === 3,
    )!;
    view.setBigUint64(at + 8, 2n ** 63n, true);
    expect(refusal(dynamic)?.message).toMatch(/interpreter lies outside the file/);
    view.setBigUint64(at + 8, 0n, true);
    expect(refusal(dynamic)?.message).toMatch(/has no end/);
  });

  const header: [what: string, changes: [number, number, bigint][], message: RegExp][] = [
    ["no ELF file", [[0, 1, 0x23n]], /magic/],
    ["32 bits", [[4, 1, 1n]], /class 1 at offset 4/],
    ["big-endian", [[5, 1, 2n]], /encoding 2 at offset 5/],
    ["another version", [[6, 1, 9n]], /version 9/],
    ["another machine", [[18, 2, 62n]], /machine 62 at offset 18.*RISC-V/],
    ["an object file", [[16, 2, 1n]], /object file/],
    ["a core dump", [[16, 2, 4n]], /core dump/],
    ["an unknown type", [[16, 2, 0xfe00n]], /unknown type/],
    ["odd header size", [[54, 2, 32n]], /size 32 at offset 54/],
    ["no headers", [[56, 2, 0n]], /no program headers/],
    ["too many headers", [[56, 2, 60_000n]], /60000 program headers/],
    ["table outside", [[32, 8, 1n << 40n]], /outside the file/],
    ["table far outside", [[32, 8, -1n]], /outside the file/],
    ["entry nowhere", [[24, 8, 0x5000_0000n]], /entry point 0x50000000/],
    ["entry in the kernel", [[24, 8, -4096n]], /entry point 0xfffffffffffff000/],
  ];
  it.each(header)("refuses %s", (_what, changes, message) => {
    expect(refusal(patched(changes))).toMatchObject({ code: "badExecutable", message: expect.stringMatching(message) });
  });

  const segment: [what: string, field: number, value: bigint, message: RegExp][] = [
    ["more in the file than in memory", 32, 1n << 20n, /more bytes in the file/],
    ["outside the file", 8, (1n << 30n) + 0x1000n, /reaches beyond the file|misaligned/],
    ["misaligned", 16, 0x10_0123n, /misaligned/],
    ["huge", 40, (1n << 60n) + 1n, /of 1152921504606846977 bytes ends beyond user memory/],
    ["without end", 40, -1n, /beyond user memory/],
    ["in the kernel's half", 16, 0xffff_ffc0_0000_0000n, /at 0xffffffc000000000\) lies outside user memory/],
    ["at address 0", 16, 0n, /below 0x10000|misaligned/],
  ];
  it.each(segment)("refuses a segment that is %s", (_what, field, value, message) => {
    const [first] = loadHeaders();
    expect(refusal(patched([[first! + field, 8, value]]))).toMatchObject({
      code: "badExecutable",
      message: expect.stringMatching(message),
    });
  });

  it("refuses overlapping segments and an entry that is not executable", () => {
    const content = tiny();
    const view = new DataView(content.buffer);
    const [first, second] = loadHeaders();
    const at = view.getBigUint64(first! + 16, true);
    const offset = view.getBigUint64(second! + 8, true) % 4096n;
    expect(refusal(patched([[second! + 16, 8, at - (at % 4096n) + offset]]))?.message).toMatch(/overlap/);
    expect(refusal(patched(loadHeaders().map((header) => [header + 4, 4, 6n])))?.message).toMatch(
      /not in an executable segment/,
    );
  });

  it("refuses every truncation that cuts what is loaded", () => {
    const content = tiny();
    for (const length of [0, 1, 3, 4, 10, 52, 63, 64, 65, 100, 119])
      expect(refusal(content.slice(0, length))?.code).toBe("badExecutable");
  });

  it("refuses a file without execute permission, or none", () => {
    const machine = testMachine({ files: [fileOf("/bin/x", tiny(), 0o644)] });
    expect(machine.apply(startInput("/bin/x"))).toMatchObject({
      error: { code: "badExecutable", message: expect.stringContaining("0o644") },
    });
    expect(machine.apply(startInput("/bin/y"))).toMatchObject({ error: { code: "notFound", field: "path" } });
  });

  it("no mutation harms the machine", () => {
    const content = tiny();
    const machine = testMachine({ memoryBytes: 2 ** 22, files: [fileOf("/bin/good", content)] });
    const interesting = fc.constantFrom(
      0n,
      1n,
      2n,
      7n,
      0xfffn,
      0x1000n,
      0x10000n,
      0x7fff_ffffn,
      0xffff_ffffn,
      1n << 38n,
      (1n << 38n) - 1n,
      1n << 52n,
      (1n << 63n) - 1n,
      1n << 63n,
      (1n << 64n) - 1n,
    );
    const place = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 64 + 56 * 5 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: content.length - 8 }) },
    );
    const change = fc.tuple(
      place,
      fc.constantFrom(1, 2, 4, 8),
      fc.oneof(interesting, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    );
    const cut = fc.option(fc.integer({ min: 0, max: content.length }), { nil: content.length, freq: 8 });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), cut, (changes, length) => {
        mustApply(machine, { kind: "addFile", file: fileOf("/bin/bad", patched(changes).slice(0, length)) });
        const started = machine.apply(startInput("/bin/bad", { limits: { instructions: 5000 } }));
        if (started.ok) runOn(machine, 20_000);
        else expect(started.error.code).toBe("badExecutable");
        expect(machine.summary().run).not.toBe("frozen");
        machine.drainOutputs();
      }),
      { numRuns: 1500 },
    );
    mustApply(machine, startInput("/bin/good"));
    runOn(machine);
    const outputs = machine.drainOutputs();
    expect([consoleOf(outputs), exitOf(outputs)?.status]).toEqual(["tiny\n", { kind: "exited", code: 3 }]);
  });
});
