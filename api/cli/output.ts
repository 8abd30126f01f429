/** What commands print: aligned tables and key-value lists for people, JSON documents and NDJSON for programs. */
import process from "node:process";
import { styleText } from "node:util";
import { createRegistry, type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";

const registry = createRegistry();

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  align?: "left" | "right";
}

/** Width on a terminal; combining characters and wide ones are rare in what we print. */
const width = (text: string): number => [...text].length;

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.value(row))));
  const widths = columns.map(({ title }, index) => Math.max(width(title), ...cells.map((line) => width(line[index]!))));
  const line = (values: readonly string[]) =>
    values
      .map((value, index) => {
        const gap = " ".repeat(widths[index]! - width(value));
        return columns[index]!.align === "right" ? gap + value : value + gap;
      })
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...cells.map(line)].join("\n");
}

/** "name   value" lines; empty values are left out. */
export function list(pairs: readonly (readonly [string, string])[]): string {
  const shown = pairs.filter(([, value]) => value !== "");
  const longest = Math.max(0, ...shown.map(([name]) => width(name)));
  return shown.map(([name, value]) => `${name.padEnd(longest)}  ${oneLine(value)}`).join("\n");
}

/** Names come from other people: no control characters (escape sequences) reach the terminal. */
export function oneLine(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Messages from the server may have several lines, but no escape sequences. */
export const manyLines = (text: string): string =>
  text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, (char) => (char === "\t" ? char : oneLine(char)));

/** A message as REST would send it. */
export function messageJson<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true, registry });
}

export class Output {
  readonly json: boolean;
  readonly #colour: boolean;
  readonly #out: NodeJS.WritableStream;
  readonly #err: NodeJS.WriteStream;

  constructor(
    options: { json: boolean; colour: boolean },
    out: NodeJS.WritableStream = process.stdout,
    err: NodeJS.WriteStream = process.stderr,
  ) {
    this.json = options.json;
    this.#colour = options.colour;
    this.#out = out;
    this.#err = err;
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  /** One result: a JSON document, or text for people. */
  result(json: () => JsonValue, text: () => string): void {
    const shown = this.json ? JSON.stringify(json(), null, 2) : text();
    if (shown !== "") this.line(shown);
  }

  message<D extends DescMessage>(schema: D, message: MessageShape<D>, text: () => string): void {
    this.result(() => messageJson(schema, message), text);
  }

  /** One line of NDJSON. */
  record(value: JsonValue): void {
    this.line(JSON.stringify(value));
  }

  line(text: string): void {
    this.#out.write(`${text}\n`);
  }

  /** Resolves when the reader takes more, so that a slow pipe slows the stream down; or when the reader has gone. */
  bytes(data: Uint8Array): Promise<void> {
    if (this.#out.write(data)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        for (const event of ["drain", "error", "close"]) this.#out.off(event, done);
        resolve();
      };
      for (const event of ["drain", "error", "close"]) this.#out.once(event, done);
    });
  }

  /** Beside the result: for people, on standard error. */
  note(text: string): void {
    this.#err.write(`ostler: ${text}\n`);
  }

  trace(text: string): void {
    this.#err.write(text.endsWith("\n") || text === "" ? text : `${text}\n`);
  }

  /** A line that replaces itself; on terminals only. An empty text clears it. */
  progress(text: string): void {
    if (!this.#err.isTTY || this.json) return;
    this.#err.write(`\r\u001b[K${text.slice(0, (this.#err.columns ?? 80) - 1)}`);
  }
}
