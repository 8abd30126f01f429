/** Nobody is shown a bare regular expression. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { patternSentence } from "../../api/patterns.ts";

const protos = join(import.meta.dirname, "../../proto/ostler/v1");

test("every pattern of the contract has a sentence", () => {
  const patterns = readdirSync(protos)
    .map((name) => readFileSync(join(protos, name), "utf8"))
    .flatMap((text) => [...text.matchAll(/pattern\s*[:=]\s*("(?:[^"\\]|\\.)*")/g)])
    .map(([, literal]) => JSON.parse(literal!) as string);
  expect(patterns.length).toBeGreaterThan(8);
  expect(patterns.filter((pattern) => patternSentence(pattern) === undefined)).toEqual([]);
});
