/** Root file systems from tar archives: what tar(1) writes in each of its forms, and what nobody should have written. */
import { execFileSync, spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArchiveLoading, readArchive } from "../../kernel/fs/archive/archive.ts";
import { ArchiveProblem } from "../../kernel/fs/archive/tar.ts";
import type { TaskId } from "../../kernel/index.ts";
import type { Archive } from "../../kernel/vfs/kernel.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { call, fileOf, int, mustApply, noLimits, restoreMachine, testMachine, testPorts } from "../support/machine.ts";

const hasTar = spawnSync("tar", ["--version"], { encoding: "utf8" }).stdout?.includes("GNU tar") ?? false;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const at = -100n;

interface Header {
  name?: string;
  mode?: string;
  size?: number;
  type?: string;
  link?: string;
  magic?: string;
  content?: string;
}

/** One entry as a ustar archive has it. */
function entry({
  name = "f",
  mode = "0000644",
  type = "0",
  link = "",
  magic = "ustar\u000000",
  content = "",
  size,
}: Header) {
  const blocks = Math.ceil(content.length / 512);
  const bytes = new Uint8Array(512 + blocks * 512);
  const put = (text: string, where: number) => bytes.set(encode(text), where);
  put(name, 0);
  put(mode, 100);
  put("0000000", 108);
  put("0000000", 116);
  put((size ?? content.length).toString(8).padStart(11, "0"), 124);
  put("00000000000", 136);
  bytes.fill(32, 148, 156);
  put(type, 156);
  put(link, 157);
  put(magic, 257);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  put(content, 512);
  return bytes;
}

function archiveProblem(bytes: Uint8Array): string | null {
  const read = readArchive(bytes);
  return read instanceof ArchiveProblem ? read.message : null;
}

const archiveOf = (...entries: Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat([...entries, new Uint8Array(1024)]));

function tree(bytes: Uint8Array): Record<string, string> {
  const read = readArchive(bytes);
  if (read instanceof ArchiveProblem) throw new Error(read.message);
  const found: Record<string, string> = {};
  walk(read, 1, "", found, bytes);
  return found;
}

function walk({ inodes }: Archive, number: number, path: string, found: Record<string, string>, bytes: Uint8Array) {
  const { data, mode, links } = inodes[number - 1]!;
  const shown = mode.toString(8);
  if (data.kind === "archived") {
    const content = new TextDecoder().decode(bytes.subarray(data.offset, data.offset + Math.min(data.size, 20)));
    found[path] = `${shown} ${links} ${data.size} ${content}`;
  } else if (data.kind === "symlink") found[path] = `-> ${data.target}`;
  else found[path] = `${shown} ${links}`;
  if (data.kind === "directory")
    for (const [name, child] of data.entries) walk({ inodes }, child.inode, `${path}/${name}`, found, bytes);
}

describe.skipIf(!hasTar)("archives that GNU tar writes (needs it)", () => {
  let folder: string;
  const deep = `${"directory-".repeat(9)}/`.repeat(3);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "archive-"));
    mkdirSync(join(folder, "tree", deep), { recursive: true });
    writeFileSync(join(folder, "tree", "plain"), "content\n", { mode: 0o640 });
    writeFileSync(join(folder, "tree", deep, `${"n".repeat(150)}.txt`), "far down", { mode: 0o644 });
    writeFileSync(join(folder, "tree", "empty"), "", { mode: 0o644 });
    linkSync(join(folder, "tree", "plain"), join(folder, "tree", "same"));
    symlinkSync("plain", join(folder, "tree", "link"));
    symlinkSync("x".repeat(200), join(folder, "tree", "longlink"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(["gnu", "pax", "oldgnu"])("are read in the form %s, with long names and links", (form) => {
    const args = ["--sort=name", `--format=${form}`, "-C", join(folder, "tree"), "-cf", "-", "."];
    const found = tree(new Uint8Array(execFileSync("tar", args, { maxBuffer: 2 ** 24 })));
    expect(found["/plain"]).toBe("100640 2 8 content\n");
    expect(found["/same"]).toBe("100640 2 8 content\n");
    expect(found["/empty"]).toBe("100644 1 0 ");
    expect(found["/link"]).toBe("-> plain");
    expect(found["/longlink"]).toBe(`-> ${"x".repeat(200)}`);
    expect(found[`/${deep}${"n".repeat(150)}.txt`]).toBe("100644 1 8 far down");
    expect(Object.keys(found)).toHaveLength(10);
  });
});

it("are the same tree in whatever parts they are given", () => {
  const name = "a".repeat(90);
  const bytes = archiveOf(
    entry({ name: "L", type: "L", content: `${name}/${name}\0` }),
    entry({ name: "short", content: "x".repeat(1300) }),
    entry({ name: "x", type: "x", content: "20 mtime=1234567.5\n" }),
    entry({ name: "d/f", content: "hello" }),
    entry({ name: "h", type: "1", link: "d/f" }),
  );
  const whole = readArchive(bytes);
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { minLength: 1, maxLength: 5 }), (lengths) => {
      const loading = new ArchiveLoading(bytes.length);
      for (let part = 0; loading.need !== null; part++) {
        const { offset, length } = loading.need;
        // From a little before what is needed to a little behind it, as pieces of fixed size would be.
        const start = Math.max(0, offset - (lengths[part % lengths.length]! % 700));
        const end = offset + Math.max(length, lengths[part % lengths.length]!);
        loading.provide(start, bytes.subarray(start, end));
      }
      expect(loading.result()).toEqual(whole);
    }),
    { numRuns: 50 },
  );
});

describe("archives that nobody should have written", () => {
  const refused: [string, Uint8Array, RegExp][] = [
    ["names that lead out", archiveOf(entry({ name: "a/../../etc/passwd" })), /leads out/],
    ["a file below a file", archiveOf(entry({ name: "a" }), entry({ name: "a/b" })), /below something/],
    ["a file below a link", archiveOf(entry({ name: "a", type: "2", link: "/" }), entry({ name: "a/b" })), /below/],
    ["a link to nothing", archiveOf(entry({ name: "a", type: "1", link: "b" })), /no file that came before/],
    ["a link to a directory", archiveOf(entry({ name: "d/", type: "5" }), entry({ type: "1", link: "d" })), /no file/],
    [
      "a file that was a directory",
      archiveOf(entry({ name: "d/", type: "5" }), entry({ name: "d" })),
      /was a directory/,
    ],
    ["an end in the middle", entry({ size: 5000, content: "x" }), /ends in the middle/],
    ["a size beyond all bounds", archiveOf(entry({ size: 0o77777777777 })), /ends in the middle/],
    ["a wrong checksum", archiveOf(entry({})).fill(65, 0, 3), /checksum/],
    ["a type that is none here", archiveOf(entry({ type: "S" })), /type "S"/],
    ["a name too long", archiveOf(entry({ name: "L", type: "L", content: "n".repeat(300) }), entry({})), /longer than/],
    ["a malformed pax header", archiveOf(entry({ type: "x", content: "999 path=x\n" }), entry({})), /malformed/],
    ["no archive at all", encode("#!/bin/sh\n"), /too short/],
  ];
  it.each(refused)("%s: refused with the reason", (_what, bytes, reason) => {
    expect(archiveProblem(bytes)).toMatch(reason);
  });

  it("a file that comes again is the later one, and directories that nothing names are made", () => {
    const found = tree(archiveOf(entry({ name: "/a/b", content: "old" }), entry({ name: "./a//b", content: "newer" })));
    expect(found).toEqual({ "": "40755 3", "/a": "40755 2", "/a/b": "100644 1 5 newer" });
  });

  it("any damage is either harmless or told, never an exception", () => {
    const good = archiveOf(
      entry({ name: "d/", type: "5" }),
      entry({ name: "x", type: "x", content: "20 mtime=1234567.5\n" }),
      entry({ name: "d/f", content: "hello" }),
      entry({ name: "h", type: "1", link: "d/f" }),
    );
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(damage, fc.nat(good.length), (changes, length) => {
        const bytes = good.slice(0, Math.max(length, 512));
        for (const [where, value] of changes) if (where < bytes.length) bytes[where] = value;
        // Mended, so that more than the checksum is looked at.
        bytes.fill(32, 148, 156);
        const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
        bytes.set(encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
        archiveProblem(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("machines on an archive", () => {
  const bytes = archiveOf(
    entry({ name: "etc/", type: "5", mode: "0000755" }),
    entry({ name: "etc/motd", mode: "0000666", content: "welcome\n" }),
    entry({ name: "bin", type: "2", link: "usr/bin" }),
    entry({ name: "usr/bin/tool", mode: "0000755", content: "x".repeat(9000) }),
  );
  const root = fileOf("", bytes).content;
  const O_RDWR = 2;

  function machineOn() {
    const machine = testMachine({ root });
    const task = mustApply(machine, { kind: "createRemoteTask", name: "t", limits: noLimits })!;
    return { machine, task };
  }
  type On = ReturnType<typeof machineOn>;

  function open({ machine, task }: On, path: string, flags: number): bigint {
    return call(machine, task, 56, int(at), { kind: "string", value: path }, int(flags), int(0o666))!.value;
  }
  function read({ machine, task }: On, path: string): string {
    const fd = open({ machine, task }, path, 0);
    const { value, buffers } = call(machine, task, 63, int(fd), { kind: "buffer", size: 100 }, int(100))!;
    return new TextDecoder().decode(buffers[0]!.subarray(0, Number(value)));
  }
  function write(on: On, path: string, text: string): void {
    const fd = open(on, path, O_RDWR);
    expect(call(on.machine, on.task, 64, int(fd), { kind: "string", value: text }, int(text.length))!.value).toBe(
      BigInt(text.length),
    );
  }

  it("see its files, and what one writes no other sees", () => {
    const [one, other] = [machineOn(), machineOn()];
    expect(read(one, "/etc/motd")).toBe("welcome\n");
    write(one, "/etc/motd", "changed");
    expect(read(one, "/etc/motd")).toBe("changed\n");
    expect(read(other, "/etc/motd")).toBe("welcome\n");
    expect([brokenInvariants(one.machine), brokenInvariants(other.machine)]).toEqual([[], []]);
  });

  it("pay nothing for files that nobody opened", () => {
    const many = archiveOf(...Array.from({ length: 2000 }, (_, i) => entry({ name: `many/${i}`, content: "content" })));
    const empty = testMachine();
    const machine = testMachine({ root: fileOf("", many).content });
    expect(machine.encodeState().length - empty.encodeState().length).toBeLessThan(1000);
    expect(machine.memoryMap().free.frames).toBe(empty.memoryMap().free.frames);
  });

  it("go on from a snapshot with what they wrote", () => {
    const on = machineOn();
    write(on, "/etc/motd", "kept");
    const pages = Array.from({ length: on.machine.memory.pages }, (_, page) => on.machine.memory.page(page).slice());
    const machine = restoreMachine(
      on.machine.encodeState(),
      testPorts({ fetchPages: (wanted) => wanted.map((page) => pages[page]!) }),
      () => false,
    );
    expect(read({ machine, task: on.task as TaskId }, "/etc/motd")).toBe("keptome\n");
    expect(read({ machine, task: on.task }, "/bin/tool").length).toBe(100);
  });

  it("are given files besides, through the archive's own links", () => {
    const machine = testMachine({ root, files: [fileOf("/bin/given", encode("given"), 0o755)] });
    const task = mustApply(machine, { kind: "createRemoteTask", name: "t", limits: noLimits })!;
    expect(read({ machine, task }, "/usr/bin/given")).toBe("given");
  });
});
