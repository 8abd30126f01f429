/** The project's own files for the rules: listed by git, with comments and strings blanked out where a rule wants code. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Committed files and those about to be, relative to the root. */
export const projectFiles: readonly string[] = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(root, path)) && statSync(join(root, path)).isFile());

export interface Source {
  readonly path: string;
  readonly text: string;
  /** Comments blanked; line numbers stay. */
  readonly uncommented: string;
  /** Comments and what stands in strings blanked; line numbers stay. */
  readonly code: string;
}

const cache = new Map<string, Source>();

export function sourceOf(path: string): Source {
  const known = cache.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(join(root, path), "utf8");
  const source = { path, text, uncommented: blank(text, false), code: blank(text, true) };
  cache.set(path, source);
  return source;
}

/** TypeScript files below a folder. */
export const sourcesIn = (folder: string): Source[] =>
  projectFiles.filter((path) => path.startsWith(`${folder}/`) && path.endsWith(".ts")).map(sourceOf);

const blankOf = (text: string): string => text.replace(/[^\n]/g, " ");

/** Longest first: comments, strings, templates without nested templates, regular expressions. */
const lexemes =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}|[^`\\$]|\$(?!\{))*`|(?<=[=(,:[!&|?{};]\s*)\/(?![/*\s])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;

function blank(text: string, strings: boolean): string {
  return text.replace(lexemes, (lexeme) => {
    if (lexeme.startsWith("//") || lexeme.startsWith("/*")) return blankOf(lexeme);
    if (!strings) return lexeme;
    const inside = lexeme.slice(1, -1);
    if (lexeme[0] !== "`") return lexeme[0] + blankOf(inside) + lexeme.at(-1);
    // What a template computes is code.
    const kept = inside.replace(/\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}|[^\n]/g, (part) =>
      part.length > 1 ? `  ${part.slice(2, -1)} ` : " ",
    );
    return `\`${kept}\``;
  });
}

export interface Import {
  readonly from: string;
  /** Path relative to the root, or the package's name as written. */
  readonly target: string;
  readonly isFile: boolean;
  /** Leaves nothing at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

const importForms = /\b(?:import|export)\b(\s+type\b)?(?:[^;"'`()]*?\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/g;

export function importsOf({ path, uncommented }: Source): Import[] {
  return [...uncommented.matchAll(importForms)].map((match) => {
    const name = (match[2] ?? match[3])!;
    const isFile = name.startsWith(".");
    const target = isFile ? normalize(join(dirname(path), name)) : name;
    return { from: path, target, isFile, typeOnly: match[1] !== undefined, line: lineAt(uncommented, match.index) };
  });
}

export const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length;

/** `path:line what` for each match of a pattern in the code. */
export const findings = (
  sources: readonly Source[],
  pattern: RegExp,
  of: (source: Source) => string = ({ code }) => code,
): string[] =>
  sources.flatMap((source) =>
    [...of(source).matchAll(pattern)].map(
      (match) => `${source.path}:${lineAt(of(source), match.index)} ${match[0].trim()}`,
    ),
  );
