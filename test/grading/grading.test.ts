/**
 * The queue of submissions over the real store, with a toy in place of the machines: programs whose text says what
 * they do. What is judged here is bookkeeping: states, order, limits, recovery, kept machines, sameness of reports.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary, fromJson, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { unavailable } from "../../api/errors.ts";
import { Grading, type GradingOptions } from "../../api/grading/grader.ts";
import type { Hosting } from "../../api/hosting/hosting.ts";
import type { Execution, ExecutionResult } from "../../api/hosting/protocol.ts";
import type { Bytes, SnapshotRow, Store, SubmissionRow } from "../../api/store/types.ts";
import type { TaskId } from "../../kernel/index.ts";
import { AssignmentSpecSchema, GradeReportSchema } from "../../proto/gen/ostler/v1/grading_pb.js";
import { freshStore } from "../store/fixtures.ts";

const store = await freshStore();
const errors: unknown[] = [];
const open: Grading[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((grading) => grading.close()));
  errors.length = 0;
});

/** Runs a program whose text, behind the ELF magic, is "print <text>", "exit <code>", "bad", "hang" or "lost". */
class ToyHosting {
  executions = 0;
  losses = 0;
  atOnce = 0;
  most = 0;
  paused: Promise<void> | null = null;
  readonly #store: Store;
  constructor(inner: Store) {
    this.#store = inner;
  }

  async snapshot(
    machineId: string,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
  ): Promise<SnapshotRow> {
    const machine = (await this.#store.machines.get(machineId))!;
    const root = createHash("sha256").update(machine.spec).digest("hex");
    const row = {
      ...fields,
      machineId,
      ownerId: machine.ownerId,
      root,
      at: { instructions: 0, timeNs: 0 },
      sequence: 0,
      traceSequence: 0,
      consoleLength: 0,
      newBytes: 0,
      totalBytes: 0,
    };
    return this.#store.snapshots.create(row, machine.epoch);
  }

  delete(machineId: string): Promise<boolean> {
    return this.#store.machines.delete(machineId);
  }

  async execute(
    execution: Omit<Execution, "job" | "share">,
    _payer: unknown,
    signal: AbortSignal,
  ): Promise<ExecutionResult> {
    this.executions += 1;
    this.atOnce += 1;
    this.most = Math.max(this.most, this.atOnce);
    try {
      await sleep(Math.random() * 8, undefined, { signal });
      if (this.paused !== null)
        await Promise.race([
          this.paused,
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
        ]);
      if (this.losses-- > 0) throw unavailable("WORKER_LOST", "lost", 1);
      return await this.#run(execution);
    } finally {
      this.atOnce -= 1;
    }
  }

  async #run({ inputs }: Omit<Execution, "job" | "share">): Promise<ExecutionResult> {
    const [file, start] = inputs;
    const hash = file?.kind === "addFile" ? file.file.content : "";
    const [verb, rest = ""] = Buffer.from((await this.#store.blobs.get([hash])).get(hash)!)
      .toString("latin1")
      .slice(4)
      .split(/ (.*)/s);
    const refused = verb === "bad";
    const printed =
      verb === "print" ? rest + (start?.kind === "startProgram" ? start.arguments.slice(1).join(" ") : "") : "";
    const exited = verb === "print" || verb === "exit";
    const error = { code: "badExecutable", field: "path", message: "it is not an ELF file for RISC-V" } as const;
    return {
      applied: [{ ok: true }, refused ? { ok: false, error } : { ok: true, task: 1 as TaskId }, { ok: true }],
      entries: inputs.map((input, index) => ({
        sequence: index + 1,
        at: { instructions: 0, timeNs: 0 },
        payload: new Uint8Array(Buffer.from(input.kind)),
      })),
      exit: exited
        ? {
            kind: "taskExited",
            task: 1 as TaskId,
            status: { kind: "exited", code: verb === "exit" ? Number(rest) : 0 },
            instructions: 100 + printed.length,
            peakMemoryBytes: 4096,
            fault: null,
          }
        : null,
      stop: refused ? "refused" : exited ? "" : "idle",
      console: new Uint8Array(Buffer.from(printed)),
      consoleTruncated: false,
      trace: new Uint8Array(0),
      traceTruncated: false,
      summary: {
        position: { instructions: 100 + printed.length, timeNs: 100 },
        run: "idle",
        reason: "",
        consoleLength: printed.length,
        framesSent: 0,
        traceSequence: 9,
        taskCount: 1,
      },
    };
  }
}

const spec = fromJson(AssignmentSpecSchema, {
  tests: [
    {
      name: "says hello",
      points: 2,
      arguments: ["world"],
      checks: [{ exitCode: 0 }, { outputTrimmed: "hello world" }],
    },
    {
      name: "matches",
      points: 1,
      checks: [{ outputRegex: "^hel+o" }, { trace: { expression: 'category == "fault"', atMost: "0" } }],
    },
    { name: "hidden", points: 4, hidden: true, arguments: ["you"], checks: [{ outputExact: "hello you" }] },
  ],
});

let counter = 0;
async function assignment(): Promise<string> {
  const id = `a-${++counter}`;
  await store.assignments.create({
    id,
    ownerId: "teacher",
    displayName: "Hello",
    spec: toBinary(AssignmentSpecSchema, spec) as Bytes,
  });
  return id;
}

function setup(options: Partial<GradingOptions> = {}): { grading: Grading; toy: ToyHosting } {
  const toy = new ToyHosting(store);
  const grading = new Grading(
    { store, hosting: toy as unknown as Hosting },
    { onError: (error) => errors.push(error), ...options },
  );
  open.push(grading);
  return { grading, toy };
}

async function submit(
  grading: Grading,
  assignmentId: string,
  text: string,
  ownerId = "student",
): Promise<SubmissionRow> {
  const data = new Uint8Array(Buffer.from(`\x7fELF${text}`, "latin1"));
  const contentHash = createHash("sha256").update(data).digest("hex");
  await store.blobs.put([{ hash: contentHash, data }], store.holds.open());
  return grading.submit({
    id: `sub-${++counter}`,
    assignmentId,
    assignmentVersion: 1,
    ownerId,
    contentHash,
    contentKind: "elf",
  });
}

async function finished(grading: Grading, row: SubmissionRow): Promise<SubmissionRow> {
  let last = row;
  for await (const progress of grading.follow(row, AbortSignal.timeout(240_000))) last = progress.row;
  return last;
}

const reportOf = (row: SubmissionRow) => fromBinary(GradeReportSchema, row.report);

describe("grading", () => {
  test("a good submission gets its points, test by test", async () => {
    const { grading } = setup();
    const row = await finished(grading, await submit(grading, await assignment(), "print hello "));
    expect(row).toMatchObject({ state: "graded", error: "" });
    const report = reportOf(row);
    expect(report).toMatchObject({ points: 7, maxPoints: 7 });
    expect(report.tests.map(({ passed }) => passed)).toEqual([true, true, true]);
    expect(report.tests[0]).toMatchObject({ instructions: 111n, output: new Uint8Array(Buffer.from("hello world")) });
  });

  test("a bad executable is the student's fault: zero points and the reason, not a failure", async () => {
    const { grading } = setup();
    const row = await finished(grading, await submit(grading, await assignment(), "bad"));
    expect(row.state).toBe("graded");
    const report = reportOf(row);
    expect(report.points).toBe(0);
    expect(report.tests[0]!.checks[0]!.found).toBe(
      "the program could not be started: it is not an ELF file for RISC-V",
    );
    expect(report.tests[0]!.machineId).toBe("");
  });

  test("a program that hangs", async () => {
    const { grading } = setup();
    const report = reportOf(await finished(grading, await submit(grading, await assignment(), "hang")));
    expect(report.tests[0]!.checks[0]).toMatchObject({
      passed: false,
      found: "did not end: every thread waits for something that never comes",
    });
  });

  test("same submission, same bytes: again, in another process, under load", async () => {
    const id = await assignment();
    const { grading } = setup({ concurrency: 1 });
    const first = await finished(grading, await submit(grading, id, "print hello "));
    const { grading: other } = setup({ concurrency: 4 });
    const rows = await Promise.all(
      ["print hello ", "exit 3", "hang", "print hello ", "print x", "print hello "].map((text) =>
        submit(other, id, text),
      ),
    );
    const all = await Promise.all(rows.map((row) => finished(other, row)));
    for (const index of [0, 3, 5]) expect(Buffer.compare(all[index]!.report, first.report)).toBe(0);
  });
});

describe("kept machines", () => {
  test("each test's machine stands where the run ended, and belongs to whom it should", async () => {
    const { grading } = setup();
    const row = await finished(grading, await submit(grading, await assignment(), "print hello "));
    const tests = reportOf(row).tests;
    const machines = await Promise.all(tests.map((each) => store.machines.get(each.machineId)));
    expect(machines.map((machine) => machine?.ownerId)).toEqual(["student", "student", "teacher"]);
    expect(machines[0]).toMatchObject({
      displayName: "Test 1: says hello",
      lastSequence: 3,
      reached: { instructions: 111, timeNs: 100 },
      status: { consoleLength: 11, run: "idle" },
      labels: { submission: row.id, test: "1" },
    });
    expect((await store.journal.read(machines[0]!.id, 0, 99, 99)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(Buffer.from((await store.journal.readConsole(machines[0]!.id, 0, 99)).bytes).toString()).toBe("hello world");
    expect(machines[0]!.originSnapshotId).toMatch(/^s-a/);
  });

  test("are left alone when the same is graded again", async () => {
    const { grading } = setup();
    const id = await assignment();
    const first = reportOf(await finished(grading, await submit(grading, id, "print hello ")));
    const before = await store.machines.get(first.tests[0]!.machineId);
    await finished(grading, await submit(grading, id, "print hello "));
    expect(await store.machines.get(first.tests[0]!.machineId)).toEqual(before);
  });

  test("are completed when a crash came between the row and its journal", async () => {
    const { grading } = setup();
    const id = await assignment();
    const report = reportOf(await finished(grading, await submit(grading, id, "print hello ")));
    const machineId = report.tests[0]!.machineId;
    const whole = (await store.machines.get(machineId))!;
    await store.machines.delete(machineId);
    const { createdAt: _c, updatedAt: _u, epoch: _e, ...bare } = whole;
    await store.machines.create({
      ...bare,
      lastSequence: 0,
      reached: { instructions: 0, timeNs: 0 },
      status: { ...whole.status, consoleLength: 0 },
    });
    await finished(grading, await submit(grading, id, "print hello "));
    expect(await store.machines.get(machineId)).toMatchObject({
      lastSequence: 3,
      reached: whole.reached,
      status: whole.status,
    });
  });

  test("hold the prepared machine; without them it goes with the assignment", async () => {
    const { grading } = setup();
    const used = await assignment();
    await finished(grading, await submit(grading, used, "print hello "));
    const unused = await assignment();
    const { snapshot } = await grading.prepared.get(unused, 1);
    const held = (await grading.prepared.get(used, 1)).snapshot;
    for (const id of [used, unused]) {
      const row = (await store.assignments.get(id))!;
      await store.assignments.delete(id);
      await grading.prepared.remove(row);
    }
    expect(await store.machines.get(snapshot.machineId)).toBeNull();
    expect(await store.snapshots.get(snapshot.id)).toBeNull();
    expect(await store.machines.get(held.machineId)).not.toBeNull();
  });
});

describe("versions", () => {
  test("a submission is graded against the version that it was made for", async () => {
    const { grading, toy } = setup();
    const id = await assignment();
    await grading.prepared.get(id, 1);
    let go = (): void => {};
    toy.paused = new Promise((resolve) => (go = resolve));
    const row = await submit(grading, id, "print hello ");
    const harder = fromJson(AssignmentSpecSchema, {
      tests: [{ name: "impossible", points: 1, checks: [{ exitCode: 99 }] }],
    });
    await store.assignments.update(id, {
      displayName: "Harder",
      spec: toBinary(AssignmentSpecSchema, harder) as Bytes,
    });
    go();
    expect(reportOf(await finished(grading, row)).points).toBe(7);
  });

  test("one whose version is gone fails with that reason", async () => {
    const { grading } = setup();
    const id = await assignment();
    await store.assignments.update(id, { displayName: "New", spec: toBinary(AssignmentSpecSchema, spec) as Bytes });
    const row = await finished(grading, await submit(grading, id, "print hello "));
    expect(row).toMatchObject({ state: "failed", error: expect.stringContaining("Version 1") });
  });
});

describe("the queue", () => {
  test("is bounded, in all and for each submitter", async () => {
    const { grading, toy } = setup({ concurrency: 1, maxWaiting: 4, maxWaitingPerOwner: 2 });
    const id = await assignment();
    toy.paused = new Promise(() => {});
    await submit(grading, id, "exit 1", "one");
    await submit(grading, id, "exit 2", "one");
    await expect(submit(grading, id, "exit 3", "one")).rejects.toMatchObject({
      reason: "TOO_MANY_SUBMISSIONS",
      retryAfterMs: 10_000,
    });
    await submit(grading, id, "exit 1", "two");
    await submit(grading, id, "exit 1", "three");
    await expect(submit(grading, id, "exit 1", "four")).rejects.toMatchObject({ reason: "GRADING_QUEUE_FULL" });
    const rows = await store.submissions.unfinished();
    await Promise.all(rows.map((row) => grading.cancel(row)));
  });

  test("grades no more at once than it may, and serves submitters in turn", async () => {
    const { grading, toy } = setup({ concurrency: 2, maxWaitingPerOwner: 20 });
    const id = await assignment();
    const many = await Promise.all(
      Array.from({ length: 8 }, (_, index) => submit(grading, id, `exit ${index}`, "busy")),
    );
    const single = await submit(grading, id, "exit 9", "lone");
    await finished(grading, single);
    const states = await Promise.all(many.map(async (row) => (await store.submissions.get(row.id))!.state));
    expect(states.filter((state) => state === "queued").length).toBeGreaterThan(2);
    await Promise.all(many.map((row) => finished(grading, row)));
    expect(toy.most).toBe(2);
  });

  test("a passing failure is tried again; one that stays is a failure of ours", async () => {
    const { grading, toy } = setup();
    const id = await assignment();
    toy.losses = 2;
    expect((await finished(grading, await submit(grading, id, "print hello "))).state).toBe("graded");
    toy.losses = 1_000;
    const row = await finished(grading, await submit(grading, id, "print hello ", "other"));
    expect(row).toMatchObject({ state: "failed", error: "lost" });
    expect(errors.length).toBe(1);
  });

  test("cancelling, queued or running", async () => {
    const { grading, toy } = setup({ concurrency: 1 });
    const id = await assignment();
    toy.paused = new Promise(() => {});
    const running = await submit(grading, id, "print hello ");
    const queued = await submit(grading, id, "exit 1");
    while (toy.atOnce === 0) await sleep(5);
    expect((await grading.cancel(queued)).state).toBe("cancelled");
    expect((await grading.cancel(running)).state).toBe("cancelled");
    toy.paused = null;
    const after = await submit(grading, id, "print hello ");
    expect((await finished(grading, after)).state).toBe("graded");
    expect((await store.submissions.get(running.id))!.state).toBe("cancelled");
    expect((await grading.cancel(after)).state).toBe("graded");
  });

  test("followers see the tests go by", async () => {
    const { grading } = setup();
    const seen: string[] = [];
    for await (const { row, done, total } of grading.follow(
      await submit(grading, await assignment(), "print hello "),
      AbortSignal.timeout(240_000),
    ))
      seen.push(`${row.state} ${done}/${total}`);
    expect(seen[0]).toMatch(/^(queued|grading) 0\/0$/);
    expect(seen.at(-1)).toBe("graded 3/3");
  });

  test("what a crash or a shutdown left is taken up again", async () => {
    const id = await assignment();
    const { grading, toy } = setup({ concurrency: 1 });
    toy.paused = new Promise(() => {});
    const rows = [await submit(grading, id, "print hello "), await submit(grading, id, "exit 1")];
    while (toy.atOnce === 0) await sleep(5);
    await grading.close();
    expect((await store.submissions.unfinished()).map((row) => row.id)).toEqual(rows.map((row) => row.id));
    const { grading: next } = setup();
    await next.resume();
    expect((await Promise.all(rows.map((row) => finished(next, row)))).map((row) => row.state)).toEqual([
      "graded",
      "graded",
    ]);
  });
});

test.runIf((await new Grading({ store, hosting: {} as Hosting }).compiler.describe()) !== null)(
  "C source is compiled first, and the report says what the compiler said",
  async () => {
    const { grading } = setup();
    const id = await assignment();
    const submitC = async (text: string) => {
      const data = new Uint8Array(Buffer.from(text));
      const contentHash = createHash("sha256").update(data).digest("hex");
      await store.blobs.put([{ hash: contentHash, data }], store.holds.open());
      return finished(
        grading,
        await grading.submit({
          id: `sub-${++counter}`,
          assignmentId: id,
          assignmentVersion: 1,
          ownerId: "student",
          contentHash,
          contentKind: "c",
        }),
      );
    };
    const good = reportOf(await submitC("int main(void) { return 0; }\n"));
    expect(good.compile).toMatchObject({
      succeeded: true,
      messages: "",
      programHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const bad = reportOf(await submitC("int main(void) { return x; }\n"));
    expect(bad).toMatchObject({ points: 0, maxPoints: 7, compile: { succeeded: false, programHash: "" } });
    expect(bad.compile!.messages).toContain("main.c:1:25: error");
    expect(bad.tests[0]!.checks[0]!.found).toBe("the program could not be compiled");
  },
);
