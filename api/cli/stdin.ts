/**
 * The standard input of a program that is run from here.
 *
 * A file is known beforehand: the program gets all of it, then end of file, and two runs are the same to the bit.
 * A pipe or a terminal is alive: what comes is typed into the console when it comes, and its end is the console's.
 */
import { fstatSync, readFileSync, statSync } from "node:fs";
import process from "node:process";
import { readInput } from "./failure.ts";

/** What one request may carry (StartProgramRequest.standard_input). */
const KNOWN_BYTES_MAX = 4 * 1024 * 1024;
const STDIN = 0;

export type StandardInput = { kind: "known"; bytes: Uint8Array<ArrayBuffer> } | { kind: "live" };

export function standardInput(file: string | undefined): StandardInput {
  if (file !== undefined && file !== "-") return { kind: "known", bytes: readInput(file) };
  if (isKnownBeforehand()) return { kind: "known", bytes: new Uint8Array(readFileSync(STDIN)) };
  return { kind: "live" };
}

function isKnownBeforehand(): boolean {
  try {
    const info = fstatSync(STDIN);
    if (info.isFile()) return info.size <= KNOWN_BYTES_MAX;
    return info.isCharacterDevice() && info.rdev === deviceOf("/dev/null");
  } catch {
    return false;
  }
}

function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).rdev;
  } catch {
    return undefined;
  }
}

/** Hands over what comes, then its end. Ends early when the signal is aborted. */
export async function pumpStdin(
  signal: AbortSignal,
  write: (data: Uint8Array<ArrayBuffer>, end: boolean) => Promise<void> | void,
): Promise<void> {
  const { stdin } = process;
  const stop = () => stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of stdin) await write(new Uint8Array(chunk as Buffer), false);
    if (!signal.aborted) await write(new Uint8Array(0), true);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
