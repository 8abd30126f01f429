/** Finds functions by their braces: good enough to measure, since the formatter has laid the code out. */
import { lineAt, type Source } from "./sources.ts";

export interface FunctionSpan {
  path: string;
  line: number;
  lines: number;
  /** Lines that are not in functions inside it. */
  ownLines: number;
}

const statement = /^\s*(?:\}?\s*else\s+)?(?:if|for|while|switch|catch|with|do|try|else|finally)\b/;

/** Whether the text between the last `;`, `{` or `}` and an opening brace makes that brace a function's body. */
function opensFunction(before: string): boolean {
  const head = before.slice(Math.max(before.lastIndexOf(";"), before.lastIndexOf("{"), before.lastIndexOf("}")) + 1);
  if (/=>\s*$/.test(head)) return true;
  // A return type in braces: `): { a: number } {`.
  if (head.trim() === "") return /\)\s*:\s*\{[^{}]*\}\s*$/.test(before);
  if (statement.test(head)) return false;
  return /\)\s*(?::[^=]*[\w\]>)"|]\s*)?$/.test(head);
}

export function functionsOf({ path, code }: Source): FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  /** Open braces: where a function starts, and lines of functions inside; null for other braces. */
  const open: ({ at: number; inside: number } | null)[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === "{") {
      open.push(opensFunction(code.slice(Math.max(0, at - 400), at)) ? { at, inside: 0 } : null);
    } else if (code[at] === "}") {
      const start = open.pop();
      if (start === undefined || start === null) continue;
      const line = lineAt(code, start.at);
      const lines = lineAt(code, at) - line + 1;
      spans.push({ path, line, lines, ownLines: lines - start.inside });
      const outer = open.findLast((brace) => brace !== null);
      if (outer) outer.inside += lines;
    }
  }
  return spans;
}
