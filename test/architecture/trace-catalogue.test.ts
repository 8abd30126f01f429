/**
 * Trace events are a public vocabulary: recorded traces and graders' rubrics know ids, names and fields. What the
 * golden file has stays as it is; new rows are added with UPDATE_GOLDEN=1.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { catalogue, categories } from "../../kernel/trace/index.ts";
import { root } from "./sources.ts";

const file = join(root, "test/golden/trace-catalogue.txt");

const lines = (): string[] => [
  `categories: ${categories.join(" ")}`,
  ...catalogue.map(({ id, category, name, fields }) => {
    const list = Object.entries(fields).map(([field, kind]) => `${field}:${kind}`);
    return [`0x${id.toString(16).padStart(4, "0")}`, category, name, ...list].join(" ");
  }),
];

test("the trace catalogue is what the golden file says", () => {
  const now = `${lines().join("\n")}\n`;
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, now);
  expect(existsSync(file) ? readFileSync(file, "utf8") : "").toBe(now);
});
