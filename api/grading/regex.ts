/** Regular expressions of assignments: RE2's syntax and its promise, time linear in the text, whoever wrote the text. */
import { RE2JS } from "@bufbuild/re2";
import { invalid } from "../errors.ts";

/** Throws INVALID_ARGUMENT with what is wrong. */
export function checkPattern(pattern: string, field: string): void {
  try {
    RE2JS.compile(pattern);
  } catch (error) {
    throw invalid(
      field,
      `is not a regular expression in RE2's syntax: ${(error as Error).message.replace(/^error parsing regexp: /, "")}`,
    );
  }
}

/** Whether any part of the text matches. */
export const matchesPattern = (pattern: string, text: string): boolean => RE2JS.compile(pattern).test(text);
