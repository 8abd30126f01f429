/** Descriptors as capabilities, against a model that counts. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { revokeStep } from "../../kernel/cap/delete.ts";
import { firstChild } from "../../kernel/cap/slots.ts";
import { type Capability, initCap } from "../../kernel/cap/state.ts";
import { objectSizes } from "../../kernel/ipc/sel4/objects.ts";
import type { TaskId } from "../../kernel/lib/ids.ts";
import { limits } from "../../kernel/lib/limits.ts";
import type { Task } from "../../kernel/thread/state.ts";
import { descriptorSlot } from "../../kernel/vfs/descriptor-slots.ts";
import {
  closeAll,
  closeDescriptor,
  duplicate,
  fileOf,
  finaliseFile,
  openTarget,
  replaceDescriptor,
  roomProblem,
} from "../../kernel/vfs/descriptors.ts";
import type { FileKernel } from "../../kernel/vfs/kernel.ts";
import { initFiles } from "../../kernel/vfs/state.ts";

/** As much of a kernel as descriptors touch. */
function small(openFiles = 8): { k: FileKernel; tasks: Task[] } {
  const k: FileKernel = {
    cap: initCap(),
    files: initFiles(),
    trace: { on: () => false, watched: () => false, write: () => undefined },
    effort: { spent: 0 },
    objectSizes,
    tcbSlots: 5,
    objects: {
      create: () => undefined,
      finalise: (cap: Capability, final: boolean) => cap.type === "file" && finaliseFile(k, cap, final),
    },
    config: { limits: { openFiles } },
    threads: { tasks: new Map() },
  } as unknown as FileKernel;
  const tasks = [3, 4].map(
    (id) =>
      ({
        id: id as TaskId,
        descriptors: [] as Task["descriptors"],
        resourceLimits: new Map(),
        sharing: { files: null },
      }) as unknown as Task,
  );
  for (const task of tasks) k.threads.tasks.set(task.id, task);
  return { k, tasks };
}

const open = (k: FileKernel, task: Task): number => openTarget(k, task, { kind: "console" }, 2, false) as number;

/** Tables of file numbers; a file is open while a table names it. */
class Model {
  readonly tables: (number | undefined)[][] = [[], []];
  next = 1;
  free(task: number, from: number): number {
    const table = this.tables[task]!;
    let fd = from;
    while (table[fd] !== undefined) fd += 1;
    return fd;
  }
  open(): number[] {
    return [...new Set(this.tables.flat())].filter((file) => file !== undefined).sort((a, b) => a - b);
  }
}

const step = fc.record({
  what: fc.constantFrom("open", "open", "dup", "dup", "dupFrom", "dup2", "dup2", "close", "close", "closeAll"),
  task: fc.nat(1),
  fd: fc.nat(6),
  to: fc.nat(6),
});

/** What the model says the call returns. */
function expected(model: Model, { what, task, fd, to }: { what: string; task: number; fd: number; to: number }) {
  const table = model.tables[task]!;
  const file = table[fd];
  switch (what) {
    case "open": {
      if (model.open().length >= 8) return "ENFILE";
      const at = model.free(task, 0);
      table[at] = model.next++;
      return at;
    }
    case "dup":
    case "dupFrom": {
      if (file === undefined) return "EBADF";
      const at = model.free(task, what === "dup" ? 0 : to);
      table[at] = file;
      return at;
    }
    case "dup2":
      if (file === undefined) return "EBADF";
      table[to] = file;
      return to;
    case "close":
      table[fd] = undefined;
      return file !== undefined;
    default:
      model.tables[task] = [];
      return undefined;
  }
}

function made(k: FileKernel, task: Task, { what, fd, to }: { what: string; fd: number; to: number }) {
  if (what === "open") return openTarget(k, task, { kind: "console" }, 2, false);
  if (what === "dup" || what === "dupFrom") return duplicate(k, task, fd, what === "dup" ? 0 : to, false);
  if (what === "dup2") return replaceDescriptor(k, task, fd, to, false);
  return what === "close" ? closeDescriptor(k, task, fd) : closeAll(k, task);
}

describe("descriptors", () => {
  it("name what a model says, and files end with their last descriptor", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const { k, tasks } = small();
        const model = new Model();
        for (const next of steps) {
          if (next.what === "dup2" && next.fd === next.to) continue;
          expect(made(k, tasks[next.task]!, next)).toBe(expected(model, next));
          for (const [i, task] of tasks.entries())
            for (let fd = 0; fd < 16; fd++) expect(fileOf(k, task, fd)?.id).toBe(model.tables[i]![fd]);
          expect([...k.files.open.keys()].sort((a, b) => a - b)).toEqual(model.open());
          expect(k.cap.slots.size).toBe(model.tables.flat().filter((file) => file !== undefined).length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("are derived from the one that opened the file, which can revoke them all, and stays", () => {
    const { k, tasks } = small();
    const task = tasks[0]!;
    const [first, other] = [open(k, task), open(k, task)];
    const copies = [duplicate(k, task, first, 0, false), duplicate(k, task, 2, 10, true)] as number[];
    expect(copies).toEqual([2, 10]);
    const root = descriptorSlot(task.id, first);
    while (!revokeStep(k, root));
    expect(firstChild(k, root)).toBeNull();
    for (const fd of copies) expect(fileOf(k, task, fd)).toBeNull();
    expect([fileOf(k, task, first)?.id, fileOf(k, task, other)?.id]).toEqual([1, 2]);
    expect([duplicate(k, task, 2, 0, false), replaceDescriptor(k, task, 10, 5, false)]).toEqual(["EBADF", "EBADF"]);
    // The number is not given to another file before the program has closed it.
    expect(open(k, task)).toBe(3);
    expect([closeDescriptor(k, task, 2), open(k, task)]).toEqual([true, 2]);
    closeAll(k, task);
    expect([k.cap.slots.size, k.files.open.size]).toEqual([0, 0]);
  });

  it("keep their file open when the one that opened it is closed, but then nobody revokes them", () => {
    const { k, tasks } = small();
    const task = tasks[1]!;
    open(k, task);
    duplicate(k, task, 0, 0, false);
    closeDescriptor(k, task, 0);
    expect(fileOf(k, task, 1)?.id).toBe(1);
    expect(revokeStep(k, descriptorSlot(task.id, 1))).toBe(true);
    expect(fileOf(k, task, 1)?.id).toBe(1);
    closeDescriptor(k, task, 1);
    expect(k.files.open.size).toBe(0);
  });
});

test("there are no more descriptors than capabilities, of however many tasks", () => {
  const { k, tasks } = small();
  const [task] = tasks as [Task];
  const fd = open(k, task);
  for (let i = k.cap.slots.size; i < limits.capabilities; i++) k.cap.slots.set(i as never, {} as never);
  expect(openTarget(k, task, { kind: "console" }, 2, false)).toBe("ENFILE");
  expect(roomProblem(k, task, 1)).toBe("ENFILE");
  expect(duplicate(k, task, fd, 0, false)).toBe("EMFILE");
  expect(replaceDescriptor(k, task, fd, 7, false)).toBe("EMFILE");
  k.cap.slots.delete((limits.capabilities - 1) as never);
  expect(replaceDescriptor(k, task, fd, 7, false)).toBe(7);
  expect(duplicate(k, task, fd, 0, false)).toBe("EMFILE");
});

test("who has descriptors in common with others has room for a pair of them, or is told before", () => {
  const { k, tasks } = small();
  for (const { sharing } of tasks) sharing.files = 1;
  const [task] = tasks as [Task];
  const fill = (left: number): void => {
    for (let i = k.cap.slots.size; i < limits.capabilities - left; i++) k.cap.slots.set(i as never, {} as never);
  };
  fill(4);
  expect(roomProblem(k, task, 2)).toBeNull();
  expect([open(k, task), open(k, task)]).toEqual([0, 1]);
  for (const fd of [0, 1]) closeDescriptor(k, task, fd);
  fill(3);
  expect(roomProblem(k, task, 2)).toBe("ENFILE");
  expect([open(k, task), openTarget(k, task, { kind: "console" }, 2, false)]).toEqual([0, "ENFILE"]);
});
