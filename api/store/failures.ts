/** Failures of the database that pass: it cannot be reached, or its disk is full. Told from Prisma's errors and the drivers'. */
import { StoreUnavailableError } from "./types.ts";

/** Of the operating system, of Prisma, and SQLSTATEs of PostgreSQL (08: connection, 57P: shutting down or starting). */
const AWAY_CODES =
  /^(E(PIPE|CONN(REFUSED|RESET|ABORTED)|NOENT|TIMEDOUT|HOSTUNREACH|NETUNREACH|AI_AGAIN|NOTFOUND)|P10(01|02|08|17)|08...|57P0[123]|53300)$/;
/** Of the driver, which has no codes for them. */
const AWAY_TEXT =
  /connection (error and is not queryable|terminated)|^timeout expired$|terminating connection|the database system is (starting up|shutting down|in recovery)/i;
/** SQLITE_FULL, and disk_full of PostgreSQL. */
const FULL = /^(SQLITE_FULL|53100)$/;
const FULL_TEXT = /database or disk is full|no space left on device/i;

/** data_corrupted, index_corrupted and io_error of PostgreSQL. */
const DAMAGE = /^(XX00[12]|58030|SQLITE_CORRUPT(_.*)?)$/;
const DAMAGE_TEXT = /database disk image is malformed/i;

const CHARACTER_NOT_IN_REPERTOIRE = "22021";

/** How deep errors are nested in errors, at most. */
const DEPTH = 6;

export type PassingFailure = "away" | "full";

/** Null: a failure of another kind. */
export function passingFailure(error: unknown): PassingFailure | null {
  for (const { codes, texts } of layersOf(error)) {
    if (codes.some((each) => FULL.test(each)) || texts.some((text) => FULL_TEXT.test(text))) return "full";
    if (codes.some((each) => AWAY_CODES.test(each)) || texts.some((text) => AWAY_TEXT.test(text))) return "away";
  }
  return null;
}

/** PostgreSQL has no text with a NUL in it; SQLite finds nothing that is called so. */
export const isTextRefused = (error: unknown): boolean =>
  layersOf(error).some(({ codes }) => codes.includes(CHARACTER_NOT_IN_REPERTOIRE));

/** What was to be read is on a part of the disk that went bad, as the database itself finds. */
export const isDamage = (error: unknown): boolean =>
  layersOf(error).some(
    ({ codes, texts }) => codes.some((each) => DAMAGE.test(each)) || texts.some((text) => DAMAGE_TEXT.test(text)),
  );

/** What an error says, and the errors in it. */
function layersOf(error: unknown): { codes: string[]; texts: string[] }[] {
  const layers: { codes: string[]; texts: string[] }[] = [];
  for (let next: unknown = error; layers.length < DEPTH && typeof next === "object" && next !== null; ) {
    const { code, originalCode, message, originalMessage, meta, cause } = next as Record<string, unknown>;
    layers.push({ codes: [code, originalCode].map(String), texts: [message, originalMessage].map(String) });
    next = cause ?? (meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError;
  }
  return layers;
}

/** The error itself, or as the one that says: come back later. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof StoreUnavailableError) return error;
  const failure = passingFailure(error);
  if (failure === null) return error;
  const text = failure === "away" ? "the database cannot be reached" : "the disk of the database is full";
  return new StoreUnavailableError(failure, text, { cause: error });
}
