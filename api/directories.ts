/** Directories of ours, readable by the server's user alone. */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Of the user that the server runs as. */
const PRIVATE = 0o700;

/**
 * Makes a directory with those above it, unless it is there. One after another: where a file system makes nothing though
 * the parent is there (as `/proc`), Node's own way of doing that never ends.
 */
export function makeDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); isMissing(at); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: PRIVATE });
    } catch (error) {
      // Somebody else may have made it in between.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  if (!statSync(path).isDirectory())
    throw Object.assign(new Error(`ENOTDIR: not a directory, ${path}`), { code: "ENOTDIR" });
}

/** What cannot be looked at for another reason is told of by whoever makes something in it. */
const isMissing = (path: string): boolean =>
  path !== dirname(path) && statSync(path, { throwIfNoEntry: false }) === undefined;
