/**
 * Rows that cannot be right, whatever else is stored: they name a row that is not there, or hold a word, a number or a
 * text that no writer of ours would have left. Nobody deletes users or courses, so that what names one finds it.
 *
 * What rows say of content, journals and consoles is looked into by those who know it (api/hosting/collection/check.ts).
 */
import { type Database, Prisma } from "./database.ts";
import type { CourseRole, MachineStatus, SnapshotRow, SubmissionRow, UserRow } from "./types.ts";

/** What is wrong with one row: "member ada of course os-2027" "names the course os-2027, which is not stored". */
export interface Unsound {
  subject: string;
  text: string;
}

interface Table {
  /** What a row is called, by the columns of its key. */
  readonly noun: string;
  readonly key: readonly string[];
  /** Columns with the key of a row elsewhere. */
  readonly names?: Readonly<Record<string, Parent>>;
  /** Columns with one of these words. */
  readonly words?: Readonly<Record<string, readonly string[]>>;
  /** Columns with a number that is not negative. */
  readonly counts?: readonly string[];
  /** Columns with a SHA-256. */
  readonly hashes?: readonly string[];
  /** Columns with JSON: an object or a list of texts. */
  readonly json?: readonly string[];
}

interface Parent {
  readonly table: string;
  readonly column?: string;
  readonly noun: string;
  /** Values that name no row. */
  readonly but?: readonly string[];
}

const user: Parent = { table: "User", noun: "user" };
const course: Parent = { table: "Course", noun: "course" };
const machine: Parent = { table: "Machine", noun: "machine" };
const owned = { courseId: course, ownerId: user };

/** All there are of a type: the compiler refuses a word too many or too few. */
const allOf = <Word extends string>(words: Readonly<Record<Word, true>>): readonly string[] => Object.keys(words);

const RUNS = allOf<MachineStatus["run"]>({ running: true, paused: true, idle: true, frozen: true });
const ROLES = allOf<CourseRole>({ student: true, grader: true, staff: true });
const SNAPSHOTS = allOf<SnapshotRow["kind"]>({ user: true, automatic: true });
const USERS = allOf<UserRow["role"]>({ admin: true, user: true });
const CONTENTS = allOf<SubmissionRow["contentKind"]>({ elf: true, c: true });
const STATES = allOf<SubmissionRow["state"]>({
  queued: true,
  grading: true,
  graded: true,
  failed: true,
  cancelled: true,
});

const TABLES: Readonly<Record<string, Table>> = {
  Pieces: {
    noun: "pieces of content",
    key: ["hash"],
    names: { hash: { table: "Blob", column: "hash", noun: "content" } },
    counts: ["size"],
    hashes: ["listHash"],
  },
  Machine: {
    noun: "machine",
    key: ["id"],
    names: owned,
    words: { run: RUNS },
    counts: [
      ...["epoch", "lastSequence", "reachedInstructions", "reachedTimeNs", "taskCount", "consoleStart"],
      ...["consoleLength", "traceSequence", "workersEnded"],
    ],
    json: ["labels"],
  },
  MachineLabel: { noun: "label of machine", key: ["machineId", "name"], names: { machineId: machine } },
  Snapshot: {
    noun: "snapshot",
    key: ["id"],
    names: owned,
    words: { kind: SNAPSHOTS },
    counts: ["instructions", "timeNs", "sequence", "traceSequence", "consoleLength", "newBytes", "totalBytes"],
    hashes: ["root"],
    json: ["labels"],
  },
  User: { noun: "user", key: ["id"], words: { role: USERS } },
  Member: {
    noun: "member of course",
    key: ["courseId", "userId"],
    names: { courseId: course, userId: user },
    words: { role: ROLES },
  },
  ApiKey: {
    noun: "key",
    key: ["id"],
    names: { courseId: course, userId: user },
    words: { roleAtMost: ROLES },
    hashes: ["secretHash"],
    json: ["operations"],
  },
  Program: { noun: "program", key: ["courseId", "ownerId", "hash"], names: owned, counts: ["size"], hashes: ["hash"] },
  Assignment: { noun: "assignment", key: ["id"], names: owned, counts: ["version"] },
  Submission: {
    noun: "submission",
    key: ["id"],
    names: owned,
    words: { state: STATES, contentKind: CONTENTS },
    counts: ["assignmentVersion"],
    hashes: ["contentHash"],
  },
  Idempotency: {
    noun: "answer by key of",
    key: ["ownerId", "method"],
    names: { ownerId: user },
    hashes: ["requestHash"],
  },
  QuotaLimit: {
    noun: "quota in course",
    key: ["courseId", "userId", "kind"],
    names: { courseId: course, userId: { ...user, but: ["", "*"] } },
    counts: ["limit"],
  },
  Allowance: {
    noun: "allowance in course",
    key: ["courseId", "userId", "kind"],
    names: { courseId: course, userId: { ...user, but: [""] } },
    counts: ["used"],
  },
};

/** Of which a machine has many rows: they are looked at a machine at a time. */
const HISTORIES = { JournalEntry: "journal", ConsoleBlock: "console" } as const;

/** Of one rule for one column. */
const NAMED_AT_MOST = 100;
const ROWS_PER_PAGE = 500;

type Row = Record<string, unknown>;
const raw = (name: string): Prisma.Sql => Prisma.raw(`"${name}"`);
const columns = (names: readonly string[]): Prisma.Sql => Prisma.join(names.map(raw));

/** `rest` is called between two statements, none of which is long. */
export async function* unsoundRows(database: Database, rest: () => Promise<void>): AsyncGenerator<Unsound> {
  for (const [name, table] of Object.entries(TABLES)) {
    for (const { column, wrong, words } of rulesOf(name, table)) {
      const rows = await database.client.$queryRaw<Row[]>`
        SELECT DISTINCT ${columns([...new Set([...table.key, column])])} FROM ${raw(name)}
        WHERE ${wrong} ORDER BY ${columns(table.key)} LIMIT ${NAMED_AT_MOST}`;
      for (const row of rows) yield { subject: subjectOf(table, row), text: words(shown(row[column])) };
      await rest();
    }
    for (const column of table.json ?? []) yield* unreadable(database, name, table, column, rest);
  }
  for (const [name, noun] of Object.entries(HISTORIES)) yield* histories(database, name, noun, rest);
}

interface Rule {
  column: string;
  wrong: Prisma.Sql;
  words(value: string): string;
}

function* rulesOf(name: string, { names = {}, words = {}, counts = [], hashes = [] }: Table): Generator<Rule> {
  for (const [column, parent] of Object.entries(names)) yield nameRule(name, column, parent);
  for (const [column, known] of Object.entries(words))
    yield {
      column,
      wrong: Prisma.sql`${raw(column)} NOT IN (${Prisma.join([...known])})`,
      words: (value) => `has the ${column} ${value}; there are ${known.join(", ")}`,
    };
  for (const column of counts)
    yield {
      column,
      wrong: Prisma.sql`${raw(column)} < 0`,
      words: (value) => `has the ${column} ${value}, which is less than 0`,
    };
  for (const column of hashes)
    yield {
      column,
      wrong: Prisma.sql`length(${raw(column)}) <> 32`,
      words: (value) => `has the ${column} ${value}, which is no SHA-256`,
    };
}

function nameRule(name: string, column: string, { table, column: key = "id", noun, but = [] }: Parent): Rule {
  const own = Prisma.sql`${raw(name)}.${raw(column)}`;
  const isName =
    but.length === 0 ? Prisma.sql`${own} IS NOT NULL` : Prisma.sql`${own} NOT IN (${Prisma.join([...but])})`;
  return {
    column,
    wrong: Prisma.sql`${isName} AND NOT EXISTS (SELECT 1 FROM ${raw(table)} AS "p" WHERE "p".${raw(key)} = ${own})`,
    words: (value) => `is of ${noun} ${value}, which is not stored`,
  };
}

/** Most rows have nothing in there, and are passed over by the database itself. */
async function* unreadable(
  database: Database,
  name: string,
  table: Table,
  column: string,
  rest: () => Promise<void>,
): AsyncGenerator<Unsound> {
  const [key] = table.key as [string];
  for (let after = ""; ; ) {
    const rows = await database.client.$queryRaw<Row[]>`
      SELECT ${columns([key, column])} FROM ${raw(name)} WHERE ${raw(key)} > ${after} AND ${raw(column)} NOT IN ('{}', '[]')
      ORDER BY ${raw(key)} LIMIT ${ROWS_PER_PAGE}`;
    for (const row of rows)
      if (!isOfTexts(String(row[column])))
        yield { subject: subjectOf(table, row), text: `has ${column} that cannot be read` };
    if (rows.length < ROWS_PER_PAGE) return;
    after = String(rows.at(-1)![key]);
    await rest();
  }
}

async function* histories(
  { client }: Database,
  name: string,
  noun: string,
  rest: () => Promise<void>,
): AsyncGenerator<Unsound> {
  for (let after = ""; ; ) {
    const [first] = await client.$queryRaw<{ id: string | null }[]>`
      SELECT MIN("machineId") AS "id" FROM ${raw(name)} WHERE "machineId" > ${after}`;
    if (first === undefined || first.id === null) return;
    const { id } = first;
    if ((await client.machine.count({ where: { id } })) === 0)
      yield { subject: `${noun} of machine ${shown(id)}`, text: "is stored, but no such machine" };
    await rest();
    after = id;
  }
}

function isOfTexts(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return (
      typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string")
    );
  } catch {
    return false;
  }
}

const shown = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString("hex") : JSON.stringify(String(value)).slice(1, -1);
const subjectOf = ({ noun, key }: Table, row: Row): string =>
  `${noun} ${key.map((name) => shown(row[name])).join(" ")}`;
