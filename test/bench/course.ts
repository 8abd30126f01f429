/**
 * The night of a deadline: a course is set up by the command line as a lecturer would, and within a minute each student
 * hands in a program of his own, with his own key, and waits for the report, while staff page through the results.
 * `OSTLER_BENCH_STUDENTS` sets how many (300), `OSTLER_BENCH_SECONDS` within what time (60).
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Connection } from "../../api/cli/client.ts";
import type { OstlerError } from "../../api/errors.ts";
import {
  GradingService,
  type Submission,
  SubmissionKind,
  SubmissionState,
} from "../../proto/gen/ostler/v1/grading_pb.js";
import { ServerProcess } from "../support/process.ts";
import { printTable } from "./table.ts";

const STUDENTS = Number(process.env["OSTLER_BENCH_STUDENTS"] ?? 300);
const SECONDS = Number(process.env["OSTLER_BENCH_SECONDS"] ?? 60);
/** As the command line has it. */
const RETRY_MS = 10_000;
const LOOK_EVERY_MS = 5_000;
const PAGE = 50;
const COURSE = "os";
const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

export async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ostler-course-"));
  const server = await ServerProcess.start(join(folder, "data"), { OSTLER_LOG: "errors", OSTLER_METRICS: "open" });
  try {
    const { staff, students, assignmentId } = await setUp(server, folder);
    const night = await handIn(server, { staff, students, assignmentId });
    await report(server, night);
  } finally {
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Course {
  /** Keys. */
  staff: string;
  students: readonly string[];
  assignmentId: string;
}

/** A lecturer's first hour, as docs/OPERATING.md has it. */
async function setUp(server: ServerProcess, folder: string): Promise<Course> {
  const begin = performance.now();
  const ostler = async (key: string, ...words: string[]): Promise<string> => {
    const environment = { ...process.env, OSTLER_SERVER: server.grpc, OSTLER_KEY: key, OSTLER_COURSE: COURSE };
    const cli = join(root, "api/cli/ostler.mjs");
    return (await run(process.execPath, [cli, ...words], { cwd: folder, env: environment })).stdout;
  };
  const roster = Array.from({ length: STUDENTS }, (_, index) => `student${index}@example.edu,Student ${index}`);
  writeFileSync(join(folder, "students.csv"), `${roster.join("\n")}\n`);
  await ostler(server.adminKey, "course", "create", COURSE, "--name", "Operating Systems");
  await ostler(server.adminKey, "course", "enrol", COURSE, "prof", "--role", "staff", "--keys", "prof.csv");
  const [staff] = keysIn(join(folder, "prof.csv"));
  const said = await ostler(staff!, "course", "enrol", COURSE, "--file", "students.csv", "--keys", "keys.csv");
  await ostler(staff!, "quota", "set", "requests=20", "running=2", "memory=256M", "--each");
  const file = join(root, "docs/examples/assignment.json");
  const made = await ostler(staff!, "grade", "create-assignment", file, "--json");
  const { assignment } = JSON.parse(made) as { assignment: { assignmentId: string } };
  console.error(`${said.trim()} (set up in ${seconds(performance.now() - begin)} s)`);
  return { staff: staff!, students: keysIn(join(folder, "keys.csv")), assignmentId: assignment.assignmentId };
}

/** The last column, but for its title. */
const keysIn = (file: string): string[] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.slice(line.lastIndexOf(",") + 1));

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

/** No two are the same, so that none is spared its compilation; one in ten loses points. */
function sourceOf(student: number): Buffer {
  const name = student % 10 === 0 ? "wrong.c" : "solution.c";
  return Buffer.concat([readFileSync(join(root, "docs/examples", name)), Buffer.from(`\n// by student ${student}\n`)]);
}

interface Outcome {
  /** Milliseconds until it was taken, and from then until the report. */
  taken: number;
  graded: number;
  /** When the report was there, from the beginning on. */
  at: number;
  submission: Submission | null;
  refusal: string;
}

interface Night {
  outcomes: readonly Outcome[];
  /** Milliseconds of each reading of all pages by staff. */
  readings: readonly number[];
}

async function handIn(server: ServerProcess, { staff, students, assignmentId }: Course): Promise<Night> {
  const begin = performance.now();
  const connect = (key: string) => new Connection({ address: server.grpc, key, retryForMs: RETRY_MS });
  const one = async (key: string, index: number): Promise<Outcome> => {
    await sleep((index / students.length) * SECONDS * 1_000);
    const connection = connect(key);
    const outcome = await submit(connection, assignmentId, index);
    connection.close();
    return { ...outcome, at: performance.now() - begin };
  };
  const done = new AbortController();
  const reading = readResults(connect(staff), assignmentId, done.signal);
  const outcomes = await Promise.all(students.map(one));
  done.abort();
  return { outcomes, readings: await reading };
}

async function submit(connection: Connection, assignmentId: string, student: number): Promise<Omit<Outcome, "at">> {
  const grading = connection.service(GradingService);
  const begin = performance.now();
  let taken = begin;
  let submission: Submission | null = null;
  let refusal = "";
  try {
    const kind = SubmissionKind.C;
    const made = await grading.createSubmission({ assignmentId, content: sourceOf(student), kind });
    taken = performance.now();
    const { submissionId } = made.submission!;
    for await (const progress of grading.waitSubmission({ submissionId }))
      submission = progress.submission ?? submission;
  } catch (error) {
    const { reason, message } = error as Partial<OstlerError> & Error;
    refusal = reason ?? message;
  }
  return { taken: taken - begin, graded: performance.now() - taken, submission, refusal };
}

/** Again and again all pages, as a lecturer does who is curious. */
async function readResults(connection: Connection, assignmentId: string, done: AbortSignal): Promise<number[]> {
  const grading = connection.service(GradingService);
  const readings: number[] = [];
  while (!done.aborted) {
    const begin = performance.now();
    let graded = 0;
    for (let pageToken = "", isLast = false; !isLast; isLast = pageToken === "") {
      const query = { assignmentId, allOwners: true, pageSize: PAGE, pageToken };
      const page = await grading.listSubmissions(query);
      graded += page.submissions.filter(({ state }) => state === SubmissionState.GRADED).length;
      pageToken = page.nextPageToken;
    }
    readings.push(performance.now() - begin);
    console.error(`${graded} graded`);
    await sleep(LOOK_EVERY_MS, undefined, { signal: done }).catch(() => {});
  }
  connection.close();
  return readings;
}

async function report(server: ServerProcess, { outcomes, readings }: Night): Promise<void> {
  const graded = outcomes.filter(({ submission }) => submission?.state === SubmissionState.GRADED);
  const row = (what: string, values: readonly number[]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (share: number) => seconds(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
    return { seconds: what, p50: at(0.5), p99: at(0.99), most: at(1) };
  };
  printTable([
    row(
      "until a submission is taken",
      outcomes.map(({ taken }) => taken),
    ),
    row(
      "from then until its report",
      graded.map((each) => each.graded),
    ),
    row("staff read all results", readings),
  ]);
  const ends = graded.map(({ at }) => at).toSorted((a, b) => a - b);
  const points = graded.map(({ submission }) => submission!.report!.points);
  console.log(`\n${graded.length} of ${outcomes.length} graded: ${new Set(points).size} different results`);
  console.log(`first report after ${seconds(ends[0] ?? 0)} s, last after ${seconds(ends.at(-1) ?? 0)} s`);
  const refusals = Map.groupBy(
    outcomes.filter(({ refusal }) => refusal !== ""),
    ({ refusal }) => refusal,
  );
  for (const [reason, all] of refusals) console.log(`${all.length} ended with ${reason}`);
  const metrics = await (await fetch(`${server.http}/metrics`)).text();
  const refused = metrics.split("\n").filter((line) => line.startsWith("ostler_refusals_total{"));
  console.log(refused.length === 0 ? "no call was refused" : `calls refused and repeated:\n${refused.join("\n")}`);
  console.log(`the server's memory: ${memoryOf(server.pid)}`);
}

function memoryOf(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mebibytes = (name: string) =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
  return `${mebibytes("VmRSS")} MiB now, ${mebibytes("VmHWM")} MiB at most`;
}
