/**
 * What a C source may reach, judged by what the preprocessor did with it. This is the second wall behind
 * containment.ts, and the only one where the host allows no other; it holds whatever the source looks like,
 * because it judges results, not spellings:
 *
 * - every file that the preprocessor opened (its -H report, printed as it opens them) and every file name in
 *   its output (line markers, which later diagnostics would read from) must be a toolchain header or the source;
 * - the pragma that makes the compiler open a precompiled header by name must not be in the output.
 *
 * A source that fails is refused with a fixed sentence, and nothing that the compiler said is shown: that could
 * quote the file. Must hold: between the preprocessor and the assembler no other file name gets in.
 */
import { existsSync, realpathSync } from "node:fs";
import { posix } from "node:path";

export const SOURCE_NAME = "main.c";

/** Why a source is refused, in words for its author. */
export class SourceRefused extends Error {}

/** A file that the preprocessor opened, out of a line that -H printed. */
export function openedFile(line: string): string | null {
  return /^(?:\.+|[!x]) (.+)$/.exec(line)?.[1] ?? null;
}

export const END_OF_MESSAGES = "Multiple include guards may be useful for:";

/** Throws unless the path is a header of the toolchain, the source itself or a name that stands for no file. */
export function assertInside(path: string, includeDirs: readonly string[]): void {
  if (path === SOURCE_NAME || path === `./${SOURCE_NAME}`) return;
  if (path === "<built-in>" || path === "<command-line>" || path === "<stdin>") return;
  // What yacc and its like leave in #line: a plain name, which is no file of the box.
  if (/^[A-Za-z0-9_][A-Za-z0-9_. +-]*$/.test(path)) return;
  const plain = posix.normalize(path);
  const real = existsSync(plain) ? realpathSync(plain) : plain;
  const isInside = (file: string) => includeDirs.some((dir) => file.startsWith(`${dir}/`));
  if (posix.isAbsolute(plain) && isInside(plain) && isInside(real)) return;
  // Without the path: it would tell how the compiler searched, and so what is there.
  throw new SourceRefused(
    `${SOURCE_NAME} names a file outside its own directory (#include or #line); only headers of the C library and of the compiler can be included.`,
  );
}

/** A header that could not be opened: its absence must not tell more than its presence would. */
export function assertMissingInside(message: string, includeDirs: readonly string[]): void {
  const missing =
    /: fatal error: (.+): (?:No such file or directory|Permission denied|Not a directory|Is a directory)$/.exec(
      message,
    )?.[1];
  if (missing !== undefined && (missing.startsWith("/") || missing.split("/").includes("..")))
    assertInside(missing, includeDirs);
}

/** Words that ask about files of the host without opening them. Later phases cannot see them any more. */
const QUESTIONS =
  /\b(__has_include|__has_include_next|__has_embed)\b|#\s*(?:pragma\s+GCC\s+dependency|embed|import|include_next)\b/;

/** Looks at the source as the preprocessor does after joining lines. Spellings can be hidden with ##; see docs/LIMITS.md. */
export function assertAsksNothing(source: string): void {
  const joined = source
    .replace(/\?\?\//g, "\\")
    .replace(/\\[ \t]*\r?\n/g, "")
    .replace(/\?\?=|%:/g, "#");
  const found = QUESTIONS.exec(joined);
  if (found !== null)
    throw new SourceRefused(`${SOURCE_NAME} uses ${found[0].replace(/\s+/g, " ")}, which submissions may not use.`);
}

/** The output of the preprocessor, as latin1 text. */
export function assertPreprocessed(text: string, includeDirs: readonly string[]): void {
  if (text.includes("pch_preprocess"))
    throw new SourceRefused(`${SOURCE_NAME} uses pch_preprocess, which submissions may not use.`);
  const checked = new Set<string>();
  for (const [line] of text.matchAll(/^[ \t\v\f\r]*(?:#|%:|\?\?=)[^\n]*/gm)) {
    const marker = /^#(?: |line )\d+ "((?:[^"\\]|\\.)*)"[ 0-9]*$/.exec(line);
    if (marker !== null) {
      if (!checked.has(marker[1]!)) assertInside(unescaped(marker[1]!), includeDirs);
      checked.add(marker[1]!);
    } else if (!/^#(?:pragma\b|ident ")/.test(line)) {
      throw new SourceRefused(
        `${SOURCE_NAME}: a line begins with # after macro expansion, which submissions may not do: ${JSON.stringify(line.slice(0, 80))}`,
      );
    }
  }
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) =>
    /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : code,
  );
