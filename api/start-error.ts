/** Why a server did not start, in words that an operator can act upon; a stack only for what nobody foresaw. */
import { statfsSync } from "node:fs";
import process from "node:process";
import { ConfigError, isPostgresqlUrl, type ServerConfig, settings } from "./config.ts";
import { SchemaChangedError, SchemaTooNewError, StoreBusyError } from "./store/types.ts";

const KNOWN = [ConfigError, StoreBusyError, SchemaTooNewError, SchemaChangedError];

/** Of the operating system, SQLSTATEs of PostgreSQL, and of a URL that is none. */
const FROM_OUTSIDE = /^(E[A-Z]+|[0-9A-Z]{5}|ERR_INVALID_URL)$/;
/** SQLite's codes come in the text; of ours are those that say what SQLite or the file system found. */
const OF_STORE = /^SQLITE_\w+: |^NoLocksError$|^StoreUnavailableError$/;
/** How deep errors are nested in errors, at most. */
const DEPTH = 6;
/** With less room than this SQLite fails in more ways than one. */
const LITTLE_BYTES = 1024 * 1024;

/** What is wrong with a data directory: what errors say, and what an operator has to know. */
const TROUBLES: readonly (readonly [RegExp, string | (() => string)])[] = [
  [/\b(ENOSPC|EDQUOT|SQLITE_FULL)\b|disk of the database is full/, "there is no room left on its disk"],
  [/\b(ENOTDIR|EEXIST|EISDIR)\b/, "it, or what it is to be in, is not a directory"],
  [/\b(EROFS)\b/, "its file system can only be read"],
  [
    /\b(EACCES|EPERM|SQLITE_(READONLY|CANTOPEN|PERM))\b/,
    () => `the server's user (${process.getuid?.() ?? "this one"}) may not write there`,
  ],
  [/\b(ENOENT)\b/, "its file system lets nobody make files there, or it is a link to what there is not"],
  [
    /\b(NoLocksError|SQLITE_IOERR|ENOLCK|ENOTSUP|EOPNOTSUPP)\b/,
    `its file system fails, or has no locks, as some network file systems: take a local one, or ${settings.databaseUrl.variable}`,
  ],
  [/\b(SQLITE_(NOTADB|CORRUPT))\b/, "its ostler.db is damaged, or no database: restore a backup"],
];

/** What opening the store threw, with the setting that names the store. */
export function storeError(error: unknown, config: Pick<ServerConfig, "dataDir" | "databaseUrl">): unknown {
  if (config.databaseUrl === "") return directoryError(error, config.dataDir);
  const why = whyUnusable(error, config.databaseUrl);
  // The URL has a password in it.
  return why === null
    ? error
    : new ConfigError(`${settings.databaseUrl.variable}: this database cannot be used: ${why}`);
}

/** What using the data directory threw. */
export function directoryError(error: unknown, dataDir: string): unknown {
  const why = whyUnusable(error, dataDir);
  return why === null
    ? error
    : new ConfigError(`${settings.dataDir.variable}=${dataDir}: this directory cannot be used: ${why}`);
}

/** Why a data directory, or the database of a URL, cannot be used; null where that is not what went wrong. */
export function whyUnusable(error: unknown, place: string): string | null {
  const found = fromOutside(error);
  if (found === null || isPostgresqlUrl(place)) return found && wordsOf(found);
  const text = `${found.name}: ${found.message}`;
  const trouble = hasNoRoom(place, text) ? TROUBLES[0] : TROUBLES.find(([pattern]) => pattern.test(text));
  if (trouble === undefined) return wordsOf(found);
  const [, why] = trouble;
  return `${typeof why === "function" ? why() : why} (${wordsOf(found)})`;
}

/** The outermost of what errors lie in each other that is not ours. */
function fromOutside(error: unknown): Error | null {
  for (let next: unknown = error, depth = 0; next instanceof Error && depth < DEPTH; depth++) {
    const { code, name, message } = next as NodeJS.ErrnoException;
    if (FROM_OUTSIDE.test(String(code)) || OF_STORE.test(message) || OF_STORE.test(name)) return next;
    next = next.cause;
  }
  return null;
}

const wordsOf = (error: Error): string => error.message || String((error as NodeJS.ErrnoException).code);

/** SQLite says of what it maps into memory only that it failed. */
function hasNoRoom(dataDir: string, text: string): boolean {
  if (!text.includes("SQLITE_IOERR")) return false;
  try {
    const { bavail, bsize } = statfsSync(dataDir);
    return bavail * bsize < LITTLE_BYTES;
  } catch {
    return false;
  }
}

export function startError(error: unknown): string {
  if (KNOWN.some((kind) => error instanceof kind)) return (error as Error).message;
  return listenError(String(error)) ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
}

/** Both transports say it in these words, one of them in a sentence of its own. */
function listenError(text: string): string | null {
  const { host, httpPort, grpcPort } = settings;
  const ports = `${httpPort.variable} or ${grpcPort.variable}`;
  const unknown = /\bgetaddrinfo \w+ (\S+)/.exec(text);
  if (unknown !== null) return `${host.variable}=${unknown[1]}: there is no such host`;
  const refused = /\b(EADDRINUSE|EACCES|EADDRNOTAVAIL)\b[^\d]*(\S+?):(\d+)\b/.exec(text);
  if (refused === null) return null;
  if (refused[1] === "EADDRINUSE") return `port ${refused[3]} is taken; set ${ports} to another`;
  return `cannot listen at ${refused[2]}:${refused[3]} (${refused[1]}); set ${host.variable}, ${ports} to what this machine permits`;
}
