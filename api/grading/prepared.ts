/**
 * The prepared machine of an assignment's version: made from its spec, snapshotted once, never run. Every test
 * starts as a fork of that snapshot. It also remembers the version's whole spec (as content, by a label), so that
 * a submission is graded against the version that it was made for, also after the assignment was changed.
 */
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { AssignmentSpec } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineSpecSchema } from "../../proto/gen/ostler/v1/machines_pb.js";
import { Code, failedPrecondition, OstlerError } from "../errors.ts";
import { contentIn } from "../hosting/collection/references.ts";
import type { Hosting } from "../hosting/hosting.ts";
import {
  AlreadyExistsError,
  type AssignmentRow,
  type Bytes,
  type Hold,
  type MachineRow,
  type SnapshotRow,
  type Store,
} from "../store/types.ts";
import { specOf } from "./plan.ts";

export interface Prepared {
  spec: AssignmentSpec;
  snapshot: SnapshotRow;
  /** ostler.v1.MachineSpec: what forks of it carry. */
  machineSpec: Bytes;
  /** Who owns the machines of hidden tests. */
  ownerId: string;
}

export const derivedId = (prefix: string, ...parts: (string | number)[]): string =>
  prefix + createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 24);

export const PREPARED_PREFIX = "m-a";
const machineIdOf = (assignmentId: string, version: number): string =>
  derivedId(PREPARED_PREFIX, assignmentId, version);
export const snapshotIdOf = (assignmentId: string, version: number): string => derivedId("s-a", assignmentId, version);

export class PreparedMachines {
  readonly #store: Store;
  readonly #hosting: Hosting;
  readonly #underway = new Map<string, Promise<Prepared>>();

  constructor(store: Store, hosting: Hosting) {
    this.#store = store;
    this.#hosting = hosting;
  }

  /** The prepared machine of a version, made if it is the assignment's present one. */
  get(assignmentId: string, version: number): Promise<Prepared> {
    const key = machineIdOf(assignmentId, version);
    const running =
      this.#underway.get(key) ?? this.#get(assignmentId, version).finally(() => this.#underway.delete(key));
    this.#underway.set(key, running);
    return running;
  }

  /** For a version that was just made: remembers it, and takes the snapshot now unless the server is too busy for it. */
  async prepare({ id, version }: AssignmentRow): Promise<void> {
    try {
      await this.get(id, version);
    } catch (error) {
      const isBusy =
        error instanceof OstlerError && (error.code === Code.RESOURCE_EXHAUSTED || error.code === Code.UNAVAILABLE);
      if (!isBusy) throw error;
    }
  }

  /** Deletes those of all versions that no kept machine stands on. */
  async remove({ id, version }: AssignmentRow): Promise<void> {
    for (let each = 1; each <= version; each++) {
      const outcome = await this.#store.snapshots.delete(snapshotIdOf(id, each));
      if (outcome !== "inUse") await this.#hosting.delete(machineIdOf(id, each));
    }
  }

  async #get(assignmentId: string, version: number): Promise<Prepared> {
    const machine = await this.#machine(assignmentId, version);
    const spec = await this.#spec(machine);
    const snapshot = await this.#snapshot(machine, assignmentId, version);
    return { spec, snapshot, machineSpec: machine.spec, ownerId: machine.ownerId };
  }

  async #machine(assignmentId: string, version: number): Promise<MachineRow> {
    const id = machineIdOf(assignmentId, version);
    const existing = await this.#store.machines.get(id);
    const captured = await this.#store.snapshots.get(snapshotIdOf(assignmentId, version));
    // Once captured it may do what it likes; if somebody ran it before, it is no blank machine any more.
    const isTouched = existing !== null && captured === null && existing.lastSequence > 0;
    if (isTouched) await this.#hosting.delete(id);
    else if (existing !== null) return existing;
    const assignment = await this.#store.assignments.get(assignmentId);
    if (assignment?.version !== version) {
      throw failedPrecondition(
        "ASSIGNMENT_VERSION_GONE",
        `Version ${version} of assignment ${assignmentId} is gone; submit again.`,
      );
    }
    return this.#create(id, assignment);
  }

  #create(id: string, assignment: AssignmentRow): Promise<MachineRow> {
    return this.#store.holds.during((hold) => this.#createHeld(id, assignment, hold));
  }

  async #createHeld(id: string, assignment: AssignmentRow, hold: Hold): Promise<MachineRow> {
    const { machine } = specOf(assignment);
    const hash = createHash("sha256").update(assignment.spec).digest("hex");
    hold.add(contentIn(machine));
    await this.#store.blobs.put([{ hash, data: assignment.spec }], hold);
    const row = {
      id,
      courseId: assignment.courseId,
      ownerId: assignment.ownerId,
      displayName: `Prepared for ${assignment.displayName}, version ${assignment.version}`.slice(0, 128),
      labels: { assignment: assignment.id, version: String(assignment.version), spec: hash },
      spec: (machine === undefined ? new Uint8Array(0) : toBinary(MachineSpecSchema, machine)) as Bytes,
      originSnapshotId: null,
      lastSequence: 0,
      reached: { instructions: 0, timeNs: 0 },
      status: {
        run: "paused" as const,
        reason: "prepared for grading",
        consoleLength: 0,
        taskCount: 0,
        traceSequence: 0,
      },
    };
    return this.#store.machines.create(row).catch(async (error: unknown) => {
      const other = error instanceof AlreadyExistsError ? await this.#store.machines.get(id) : null;
      if (other === null) throw error;
      return other;
    });
  }

  async #spec(machine: MachineRow): Promise<AssignmentSpec> {
    const hash = machine.labels["spec"]!;
    const content = (await this.#store.blobs.get([hash])).get(hash);
    if (content === undefined) throw new Error(`the spec ${hash} of machine ${machine.id} is not stored`);
    return specOf({ spec: content });
  }

  async #snapshot(machine: MachineRow, assignmentId: string, version: number): Promise<SnapshotRow> {
    const id = snapshotIdOf(assignmentId, version);
    const existing = await this.#store.snapshots.get(id);
    if (existing !== null) return existing;
    const labels = { assignment: assignmentId, version: String(version) };
    return this.#hosting
      .snapshot(machine.id, { id, displayName: machine.displayName, labels, kind: "user" })
      .catch(async (error: unknown) => {
        const other = error instanceof AlreadyExistsError ? await this.#store.snapshots.get(id) : null;
        if (other === null) throw error;
        return other;
      });
  }
}
