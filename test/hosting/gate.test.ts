/** The gate alone: order, gathering, failure. */
import { expect, test } from "vitest";
import { type Committed, Gate } from "../../api/hosting/gate.ts";
import type { Mark } from "../../api/hosting/protocol.ts";
import type { CommitBatch, Journal } from "../../api/store/types.ts";
import type { Output } from "../../kernel/index.ts";
import { outcome } from "../support/hosting.ts";

const START: Committed = {
  sequence: 0,
  reached: { instructions: 0, timeNs: 0 },
  status: { run: "paused", reason: "", consoleLength: 0, taskCount: 0, traceSequence: 0 },
};

function markAt(instructions: number, outputs: Output[] = []): Mark {
  const position = { instructions, timeNs: 0 };
  return {
    sequence: 0,
    summary: { position, run: "paused", reason: "", consoleLength: 0, taskCount: 0, traceSequence: 0 },
    entries: [],
    outputs,
    trace: new Uint8Array(0),
  } as unknown as Mark;
}

/** A journal whose commits the test ends one by one. */
function slowJournal() {
  const commits: { batch: CommitBatch; end: (error?: Error) => void }[] = [];
  const journal = {
    commit: (batch: CommitBatch) =>
      new Promise<void>((resolve, reject) =>
        commits.push({ batch, end: (error) => (error === undefined ? resolve() : reject(error)) }),
      ),
  } as unknown as Journal;
  return { journal, commits };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("marks are released in order, none before its commit, and those that wait share one", async () => {
  const { journal, commits } = slowJournal();
  const released: number[] = [];
  const gate = new Gate(journal, "m", 1, START, {
    release: (mark) => released.push(mark.summary.position.instructions),
    took: () => {},
  });
  const passing = [1, 2, 3].map((at) => gate.pass(markAt(at)));
  await turn();
  expect(released).toEqual([]);
  commits[0]!.end();
  await passing[0];
  expect(released).toEqual([1]);
  await turn();
  expect(commits.map(({ batch }) => batch.reached.instructions)).toEqual([1, 3]);
  commits[1]!.end();
  await Promise.all(passing);
  expect(released).toEqual([1, 2, 3]);
});

test("a mark that tells nothing new does not wait for the disk, but does for those before it", async () => {
  const { journal, commits } = slowJournal();
  const released: number[] = [];
  const gate = new Gate(journal, "m", 1, START, {
    release: (mark) => released.push(mark.summary.position.instructions),
    took: () => {},
  });
  await gate.pass(markAt(0));
  expect(released).toEqual([0]);
  const first = gate.pass(markAt(5));
  const second = gate.pass(markAt(5));
  await turn();
  expect(released).toEqual([0]);
  commits[0]!.end();
  await Promise.all([first, second]);
  expect(commits).toHaveLength(1);
});

test("after a failed commit nothing passes, whenever it comes", async () => {
  const { journal, commits } = slowJournal();
  const released: number[] = [];
  const gate = new Gate(journal, "m", 1, START, {
    release: (mark) => released.push(mark.summary.position.instructions),
    took: () => {},
  });
  const first = outcome(gate.pass(markAt(1)));
  const second = outcome(gate.pass(markAt(2)));
  await turn();
  commits[0]!.end(new Error("the disk is full"));
  expect(await first).toMatchObject({ error: { message: "the disk is full" } });
  expect(await second).toMatchObject({ error: { message: "the disk is full" } });
  expect(await outcome(gate.pass(markAt(3)))).toMatchObject({ error: { message: "the disk is full" } });
  expect(commits).toHaveLength(1);
  expect(released).toEqual([]);
});

test("an answer that cannot be written down fails who waits for it, instead of stopping the gate for ever", async () => {
  const { journal } = slowJournal();
  const gate = new Gate(journal, "m", 1, START, { release: () => {}, took: () => {} });
  const failed = outcome(
    gate.pass(markAt(1), () => {
      throw new Error("not a message");
    }),
  );
  expect(await failed).toMatchObject({ error: { message: "not a message" } });
});
