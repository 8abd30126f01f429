/** Where the server is and who we are. On the server's own machine nothing has to be given: it left a key file. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readInput, UsageError } from "./failure.ts";

export const DEFAULT_SERVER = "127.0.0.1:50051";
const KEY_FILE = "admin.key";
const checkout = join(dirname(fileURLToPath(import.meta.url)), "../..");

export interface AccessOptions {
  server?: string | undefined;
  key?: string | undefined;
  keyFile?: string | undefined;
  data?: string | undefined;
}

export interface Access {
  address: string;
  key: string | undefined;
  /** For messages: where the key came from. */
  keySource: string;
}

export function resolveAccess(options: AccessOptions, environment: NodeJS.ProcessEnv): Access {
  const address = options.server ?? (environment["OSTLER_SERVER"] || DEFAULT_SERVER);
  if (options.key !== undefined) return { address, key: options.key, keySource: "--key" };
  // What was to be a key and came out empty must not make somebody the administrator.
  if (environment["OSTLER_KEY"]?.trim() === "")
    throw new UsageError("OSTLER_KEY is set but empty; give it a key, or unset it to use the key file");
  if (environment["OSTLER_KEY"]) return { address, key: environment["OSTLER_KEY"], keySource: "OSTLER_KEY" };
  const file = options.keyFile ?? environment["OSTLER_KEY_FILE"];
  if (file) return { address, key: readKey(file, true), keySource: file };
  // The administrator's key goes nowhere but to this machine.
  if (!isLoopback(address)) return { address, key: undefined, keySource: "" };
  for (const candidate of keyFiles(options.data, environment)) {
    const key = readKey(candidate, false);
    if (key !== undefined) return { address, key, keySource: candidate };
  }
  return { address, key: undefined, keySource: "" };
}

function keyFiles(data: string | undefined, environment: NodeJS.ProcessEnv): string[] {
  const directory = data ?? environment["OSTLER_DATA"];
  if (directory) return [join(directory, KEY_FILE)];
  return [join("data", KEY_FILE), join(checkout, "data", KEY_FILE)];
}

function readKey(file: string, required: boolean): string | undefined {
  if (required) return Buffer.from(readInput(file)).toString().trim() || undefined;
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

export function isLoopback(address: string): boolean {
  const host = address
    .replace(/^https?:\/\//, "")
    .replace(/:\d+\/?$/, "")
    .replace(/^\[|\]$/g, "");
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
