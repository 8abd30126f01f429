/** Limits of size: a file fits a sitting, a function a screen. */
import { expect, test } from "vitest";
import { type FunctionSpan, functionsOf } from "./functions.ts";
import { sourcesIn } from "./sources.ts";

const sources = [...sourcesIn("kernel"), ...sourcesIn("api")];

const fileLines = 500;
const functionLines = 70;

/** What may be longer, and why. */
const longFiles = new Map<string, string>([]);
const longFunctions = new Map<string, string>([
  [
    "kernel/hardware/cpu/rv64/assembly/run.ts",
    "the interpreter's dispatch: one switch with a case per operation, kept in one function so that state stays in locals",
  ],
]);

/** Folders whose functions are tables of functions: what is inside is measured by itself. */
const tables = new Map<string, string>([["api/services/", "a service is one record with an operation a method"]]);

const lengthOf = ({ path, lines, ownLines }: FunctionSpan): number =>
  [...tables.keys()].some((folder) => path.startsWith(folder)) ? ownLines : lines;

test(`no file has more than ${fileLines} lines`, () => {
  const long = sources.filter(({ path, text }) => text.split("\n").length - 1 > fileLines && !longFiles.has(path));
  expect(long.map(({ path, text }) => `${path}: ${text.split("\n").length - 1}`)).toEqual([]);
});

test(`no function has more than ${functionLines} lines`, () => {
  const long = sources
    .filter(({ path }) => !longFunctions.has(path))
    .flatMap(functionsOf)
    .filter((span) => lengthOf(span) > functionLines);
  expect(long.map(({ path, line, lines }) => `${path}:${line} has ${lines} lines`)).toEqual([]);
});

test("no exemption is left over", () => {
  const needed = (path: string, list: Map<string, string>): boolean => {
    const source = sources.find((one) => one.path === path);
    if (source === undefined) return false;
    if (list === longFiles) return source.text.split("\n").length - 1 > fileLines;
    return functionsOf(source).some(({ lines }) => lines > functionLines);
  };
  const idle = [longFiles, longFunctions].flatMap((list) => [...list.keys()].filter((path) => !needed(path, list)));
  expect(idle).toEqual([]);
});

test("the measure sees functions of every form", () => {
  const code = `
function one(a: number): { b: number } {
  if (a) {
    return { b: 1 };
  }
  return { b: 2 };
}
const two = (x: number) => {
  for (const y of [x]) {
  }
};
class C {
  three(): void {
    const { q } = this;
  }
  get four() {
    return [1].map((v) => {
      return v;
    });
  }
}
`;
  const found = functionsOf({ path: "x.ts", text: code, uncommented: code, code });
  expect(found.map(({ line, lines }) => [line, lines]).sort((a, b) => a[0]! - b[0]!)).toEqual([
    [2, 6],
    [8, 4],
    [13, 3],
    [16, 5],
    [17, 3],
  ]);
});
