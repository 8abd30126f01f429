/** Tasks that a client drives: calls, blocking, cancelling, limits. */
import { beforeEach, describe, expect, it } from "vitest";
import type { CallId, Input, Machine, TaskId } from "../../kernel/index.ts";
import {
  call,
  fileOf,
  forever,
  int,
  mustApply,
  noLimits,
  runOn,
  startCall,
  testMachine,
  text,
} from "../support/machine.ts";

const nr = {
  getcwd: 17,
  openat: 56,
  close: 57,
  read: 63,
  write: 64,
  exitGroup: 94,
  futex: 98,
  nanosleep: 101,
  getpid: 172,
  brk: 214,
  munmap: 215,
  mmap: 222,
  clockGettime: 113,
};
const encode = (value: string): Uint8Array => new TextEncoder().encode(value);
const string = (value: string) => ({ kind: "string", value }) as const;
const bytes = (value: Uint8Array) => ({ kind: "bytes", value }) as const;
const buffer = (size: number) => ({ kind: "buffer", size }) as const;

function timespec(seconds: number, ns: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigInt64(0, BigInt(seconds), true);
  view.setBigInt64(8, BigInt(ns), true);
  return new Uint8Array(view.buffer);
}

describe("a remote-driven task", () => {
  let machine: Machine;
  let task: TaskId;

  beforeEach(() => {
    machine = testMachine({ files: [fileOf("/etc/motd", encode("be kind\n"), 0o644)] });
    task = mustApply(machine, { kind: "createRemoteTask", name: "client", limits: noLimits })!;
    machine.drainOutputs();
  });

  const refused = (input: Input): unknown => {
    const before = machine.encodeState();
    const result = machine.apply(input);
    expect(machine.encodeState()).toEqual(before);
    return result.ok ? "accepted" : result.error;
  };

  it("calls and gets the value, the buffers and the text", () => {
    expect(call(machine, task, nr.getpid)).toMatchObject({
      value: BigInt(task),
      buffers: [],
      text: `getpid() = ${task}`,
    });
    const opened = call(machine, task, nr.openat, int(-100), string("/etc/motd"), int(0), int(0))!;
    expect(opened).toMatchObject({ value: 3n, text: 'openat(AT_FDCWD, "/etc/motd", O_RDONLY, 0) = 3' });
    const read = call(machine, task, nr.read, int(3), buffer(100), int(100))!;
    expect(text(read.buffers[0]!.slice(0, Number(read.value)))).toBe("be kind\n");
    expect(read.buffers[0]).toHaveLength(100);
    expect(read.text).toBe('read(3, "be kind\\n", 100) = 8');
  });

  it("shows a length that is too long nothing of earlier calls", () => {
    call(machine, task, nr.write, int(1), bytes(encode("secret ".repeat(2_000))), int(14_000));
    startCall(machine, task, nr.write, [int(1), string("a"), int(9_999)]);
    const [written] = machine.drainOutputs();
    expect(written).toMatchObject({ kind: "console", bytes: new Uint8Array([97, ...new Array(9_998).fill(0)]) });
  });

  it("writes to the console", () => {
    startCall(machine, task, nr.write, [int(1), bytes(encode("hello\n")), int(6)]);
    expect(machine.drainOutputs()).toMatchObject([
      { kind: "console", task, offset: 0, bytes: encode("hello\n") },
      { kind: "callDone", value: 6n, text: 'write(1, "hello\\n", 6) = 6' },
    ]);
  });

  it("returns errors as negative numbers", () => {
    expect(call(machine, task, nr.close, int(77))).toMatchObject({ value: -9n, text: "close(77) = -1 EBADF" });
    expect(call(machine, task, 4242)).toMatchObject({ value: -38n });
    expect(call(machine, task, nr.write, int(1), int(0), int(5))).toMatchObject({
      value: -14n,
      text: "write(1, 0x0, 5) = -1 EFAULT",
    });
  });

  it("works while the machine is paused", () => {
    mustApply(machine, { kind: "pause" });
    expect(call(machine, task, nr.getpid)).toMatchObject({ value: BigInt(task) });
    const id = startCall(machine, task, nr.read, [int(0), buffer(10), int(10)]);
    mustApply(machine, { kind: "console", bytes: encode("hey") });
    expect(machine.drainOutputs()).toContainEqual(expect.objectContaining({ kind: "callDone", call: id, value: 3n }));
    expect(machine.run(forever)).toEqual({ kind: "paused" });
  });

  it("blocks, lets time pass, and ends", () => {
    const id = startCall(machine, task, nr.nanosleep, [bytes(timespec(2, 5)), int(0)]);
    expect(machine.drainOutputs()).toEqual([]);
    expect(machine.tasks()[0]!.threads[0]).toMatchObject({ state: "blocked", wait: "sleep until 2000000005 ns" });
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(machine.drainOutputs()).toMatchObject([{ kind: "callDone", call: id, value: 0n }]);
    expect(machine.position()).toEqual({ instructions: 0, timeNs: 2_000_000_005 });
  });

  it("makes one call at a time", () => {
    startCall(machine, task, nr.read, [int(0), buffer(10), int(10)]);
    expect(refused({ kind: "call", call: 999_999 as CallId, task, number: nr.getpid, arguments: [] })).toMatchObject({
      code: "failedPrecondition",
      field: "task",
    });
  });

  it("cancels a blocked call with EINTR", () => {
    const id = startCall(machine, task, nr.read, [int(0), buffer(10), int(10)]);
    mustApply(machine, { kind: "cancelCall", call: id });
    expect(machine.drainOutputs()).toMatchObject([{ kind: "callDone", call: id, value: -4n }]);
    expect(refused({ kind: "cancelCall", call: id })).toMatchObject({ code: "notFound", field: "call" });
    expect(call(machine, task, nr.getpid)).toMatchObject({ value: BigInt(task) });
  });

  it("ends by exit_group; a killed one answers its call", () => {
    const id = startCall(machine, task, nr.exitGroup, [int(5)]);
    expect(machine.drainOutputs()).toMatchObject([
      { kind: "callDone", call: id },
      { kind: "taskExited", task, status: { kind: "exited", code: 5 } },
    ]);
    expect(refused({ kind: "call", call: 1 as CallId, task, number: 172, arguments: [] })).toMatchObject({
      code: "failedPrecondition",
    });
    const other = mustApply(machine, { kind: "createRemoteTask", name: "other", limits: noLimits })!;
    const blocked = startCall(machine, other, nr.read, [int(0), buffer(10), int(10)]);
    mustApply(machine, { kind: "killTask", task: other, signal: 9 });
    expect(machine.drainOutputs()).toContainEqual(
      expect.objectContaining({ kind: "callDone", call: blocked, value: -4n }),
    );
  });

  it("refuses what does not fit, and says which argument", () => {
    const make = (args: Extract<Input, { kind: "call" }>["arguments"]): unknown =>
      refused({ kind: "call", call: 1 as CallId, task, number: 64, arguments: args });
    expect(make([int(1), buffer(2 ** 20 + 1)])).toMatchObject({ code: "invalid", field: "arguments[1]" });
    expect(make([buffer(2 ** 19 + 1), buffer(2 ** 19)])).toMatchObject({ code: "invalid", field: "arguments[1]" });
    expect(make([int(0), int(0), int(0), int(0), int(0), int(0), int(0)])).toMatchObject({
      code: "invalid",
      field: "arguments",
    });
    expect(refused({ kind: "call", call: 1 as CallId, task: 77 as TaskId, number: 64, arguments: [] })).toMatchObject({
      code: "notFound",
      field: "task",
    });
    expect(refused({ kind: "createRemoteTask", name: "", limits: noLimits })).toMatchObject({
      code: "invalid",
      field: "name",
    });
    expect(refused({ kind: "createRemoteTask", name: "x", limits: { ...noLimits, memoryBytes: -1 } })).toMatchObject({
      field: "limits.memoryBytes",
    });
    expect(refused({ kind: "createRemoteTask", name: "x", limits: { ...noLimits, memoryBytes: 4096 } })).toMatchObject({
      field: "limits.memoryBytes",
    });
  });

  it("maps memory of its own and is given it back", () => {
    const mapped = call(machine, task, nr.mmap, int(0), int(8192), int(3), int(0x22), int(-1), int(0))!.value;
    expect(mapped).toBeGreaterThan(0n);
    const address = Number(mapped);
    mustApply(machine, { kind: "writeVirtual", task, address: address + 4090, bytes: encode("across the page") });
    expect(text(machine.readVirtual(task, address + 4090, 15)!)).toBe("across the page");
    expect(machine.readVirtual(task, address + 8190, 3)).toBeNull();
    expect(call(machine, task, nr.write, int(1), int(mapped + 4090n), int(15))).toMatchObject({ value: 15n });
    expect(machine.regions(task)).toContainEqual({
      start: address,
      end: address + 8192,
      permissions: "rw-",
      name: "",
      residentBytes: 8192,
    });
    expect(call(machine, task, nr.munmap, int(mapped), int(8192))).toMatchObject({ value: 0n });
    expect(machine.readVirtual(task, address, 1)).toBeNull();
  });

  it("survives unmapping its own scratch memory", () => {
    const result = call(machine, task, nr.munmap, int(0x1000_0000), int(2 ** 20), buffer(8))!;
    expect(result.value).toBe(0n);
    expect(call(machine, task, nr.getcwd, buffer(64), int(64))).toMatchObject({ value: 2n });
  });

  it("meets its memory limit as ENOMEM", () => {
    const small = mustApply(machine, {
      kind: "createRemoteTask",
      name: "small",
      limits: { ...noLimits, memoryBytes: 64 * 4096 },
    })!;
    machine.drainOutputs();
    expect(call(machine, small, nr.getcwd, buffer(2 ** 20), int(64))).toMatchObject({ value: -12n });
    expect(call(machine, small, nr.mmap, int(0), int(2 ** 21), int(3), int(0x22), int(-1), int(0))).toMatchObject({
      value: -12n,
    });
    expect(machine.summary().run).toBe("idle");
  });
});
