/** Why a server did not start, in words that an operator can act upon; a stack only for what nobody foresaw. */
import { ConfigError, type ServerConfig, settings } from "./config.ts";
import { SchemaChangedError, SchemaTooNewError, StoreBusyError } from "./store/types.ts";

const KNOWN = [ConfigError, StoreBusyError, SchemaTooNewError, SchemaChangedError];

/** Of the operating system, SQLSTATEs of PostgreSQL, and of a URL that is none. */
const FROM_OUTSIDE = /^(E[A-Z]+|[0-9A-Z]{5}|ERR_INVALID_URL)$/;
/** SQLite's codes come in the text. */
const OF_SQLITE = /^SQLITE_\w+: /;

/** What opening the store threw, with the setting that names the store. */
export function storeError(error: unknown, config: Pick<ServerConfig, "dataDir" | "databaseUrl">): unknown {
  const { code, message } = error as { code?: unknown; message?: string };
  if (!FROM_OUTSIDE.test(String(code)) && !OF_SQLITE.test(message ?? "")) return error;
  // The URL has a password in it.
  const store =
    config.databaseUrl === ""
      ? `${settings.dataDir.variable}=${config.dataDir}: this directory`
      : `${settings.databaseUrl.variable}: this database`;
  return new ConfigError(`${store} cannot be used: ${message || code}`);
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
