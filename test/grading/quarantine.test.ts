/** A submission whose run hangs its worker ends after the second time with the reason; the others are graded. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Grading } from "../../api/grading/grader.ts";
import type { Bytes, SubmissionRow } from "../../api/store/types.ts";
import { AssignmentSpecSchema } from "../../proto/gen/ostler/v1/grading_pb.js";
import { compileC, hasCompiler } from "../support/guest.ts";
import { eventually, NEIGHBOUR, OWNER, startHosting, type TestHosting } from "../support/hosting.ts";

const hashOf = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
const FILE = new Uint8Array([1]);

describe.skipIf(!hasCompiler)("a run that never comes back from a step (needs riscv64-linux-gnu-gcc)", () => {
  let directory: string;
  let planted: string;
  let bench: TestHosting;
  let grading: Grading;
  let errors: string[];
  let clock: { nowMs: number; cpuMs: number };
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "ostler-quarantine-"));
    planted = join(directory, "planted");
    process.env.OSTLER_TEST_HANG_WHILE = planted;
    const workerCode = new URL("../support/hanging-worker.ts", import.meta.url);
    bench = await startHosting({ workers: 1, workerCode });
    errors = [];
    const onError = (error: unknown) => void errors.push((error as { reason: string }).reason);
    grading = new Grading(bench, { onError, concurrency: 1 });
    clock = { nowMs: 0, cpuMs: 0 };
  });
  afterEach(async () => {
    await grading.close();
    await bench.close();
    delete process.env.OSTLER_TEST_HANG_WHILE;
    rmSync(directory, { recursive: true });
  });

  /** `path`: a file that its machines have. */
  const assignment = async (id: string, path: string): Promise<string> => {
    await bench.store.blobs.put([{ hash: hashOf(FILE), data: FILE }], bench.store.holds.open());
    const machine = { files: [{ path, contentHash: hashOf(FILE), size: 1n }] };
    const tests = [{ name: "ends well", points: 1, checks: [{ check: { case: "exitCode", value: 0 } as const }] }];
    const spec = toBinary(AssignmentSpecSchema, create(AssignmentSpecSchema, { machine, tests })) as Bytes;
    await bench.store.assignments.create({ id, ownerId: OWNER, displayName: id, spec });
    // Its own machine is made before anything hangs.
    await grading.prepared.get(id, 1);
    return id;
  };
  let counter = 0;
  const submit = async (assignmentId: string, ownerId = OWNER, code = 0): Promise<SubmissionRow> => {
    const data = compileC(`int main(void) { return ${code}; }`);
    await bench.store.blobs.put([{ hash: hashOf(data), data }], bench.store.holds.open());
    const id = `sub-${++counter}`;
    const contentHash = hashOf(data);
    return grading.submit({ id, assignmentId, assignmentVersion: 1, ownerId, contentHash, contentKind: "elf" });
  };
  const finished = async (row: SubmissionRow): Promise<SubmissionRow> => {
    let last = row;
    for await (const progress of grading.follow(row, AbortSignal.timeout(240_000))) last = progress.row;
    return last;
  };
  const hangs = () => (existsSync(`${planted}.hung`) ? readFileSync(`${planted}.hung`).length / "hung\n".length : 0);
  /** Time passes until it is noticed that the only worker hangs. */
  const noticed = async (times: number): Promise<void> => {
    await eventually(() => hangs() === times);
    while (bench.hosting.figures().workersLost.hung < times) {
      clock = { nowMs: clock.nowMs + 1_000, cpuMs: clock.cpuMs + 1_000 };
      bench.hosting.endHung(clock);
    }
  };

  test("fails with the reason, at once when it comes again; what waited behind it is graded", async () => {
    const [hanging, sound] = [await assignment("a-1", "/hang"), await assignment("a-2", "/sound")];
    writeFileSync(planted, "");
    const row = await submit(hanging);
    const behind = await submit(sound, NEIGHBOUR);
    await noticed(1);
    await noticed(2);
    const failed = await finished(row);
    expect(failed).toMatchObject({ state: "failed", error: expect.stringMatching(/in test "ends well" \(it did not/) });
    expect((await finished(behind)).state).toBe("graded");
    const again = await finished(await submit(hanging, NEIGHBOUR));
    expect(again).toMatchObject({ state: "failed", error: failed.error });
    expect(hangs()).toBe(2);
    expect(errors).toEqual(["RUN_BREAKS_WORKER", "RUN_BREAKS_WORKER"]);
    rmSync(planted);
    expect((await finished(await submit(hanging, OWNER, 1))).state).toBe("graded");
  });

  test("does not hold up the end of the server, and is taken up again after it", async () => {
    const hanging = await assignment("a-1", "/hang");
    writeFileSync(planted, "");
    const row = await submit(hanging);
    await eventually(() => hangs() === 1);
    await grading.close();
    await bench.restart(1);
    expect((await bench.store.submissions.get(row.id))!.state).toBe("grading");
    rmSync(planted);
    grading = new Grading(bench);
    await grading.resume();
    expect((await finished(row)).state).toBe("graded");
  });
});
