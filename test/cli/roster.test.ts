/** Class lists as they come out of a spreadsheet. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { csvField, readRoster } from "../../api/cli/roster.ts";

test("a list may have a heading, a byte order mark, quotes, empty lines and missing fields", () => {
  const text = '\ufeffUser,Name,Role\r\nada,"Lovelace, ""Ada""",Staff\r\n\r\nbob, Bob \r\ncy\r\n';
  expect(readRoster(text, "list.csv")).toEqual([
    { userId: "ada", name: 'Lovelace, "Ada"', role: "staff" },
    { userId: "bob", name: "Bob", role: "" },
    { userId: "cy", name: "", role: "" },
  ]);
});

test.each([
  ["a,b,c,d", /line 1: not a member/],
  ["ada\n,Bob", /line 2: not a member/],
  ['ada,"Lovelace', /line 1: a quotation mark is not closed/],
])("%j is refused with its line", (text, message) => {
  expect(() => readRoster(text, "list.csv")).toThrow(message);
});

test("what is written as a field is read as it was, and is no formula", () => {
  const text = fc.string().map((value) => value.replace(/[\r\n]/g, "").trim());
  fc.assert(
    fc.property(text, (name) => {
      const field = csvField(name);
      expect(field).not.toMatch(/^"?[=+@-]/);
      const read = readRoster(`ada,${field}`, "list.csv")[0]!.name;
      expect(read.replace(/^'(?=[=+@\t-])/, "")).toBe(name.replace(/^'(?=[=+@\t-])/, ""));
    }),
  );
});
