/** The line discipline: what a terminal makes of typed and printed bytes, against what Linux's does (n_tty.c). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeMode, processOutput, receive } from "../../kernel/tty/discipline.ts";
import { Character, Input, initTty, Local, type Terminal, usualSettings } from "../../kernel/tty/state.ts";
import { typedBytes } from "../../kernel/tty/terminal.ts";

const terminal = (change: (made: Terminal) => void = () => undefined): Terminal => {
  const made = initTty(true).console;
  change(made);
  return made;
};
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Iterable<number>): string => new TextDecoder().decode(Uint8Array.from(bytes));

/** What is typed: what people see, the lines that can be read, what is left of the last one, and signals. */
function typed(text: string, on: Terminal = terminal()) {
  const { shown, signals } = receive(on, bytesOf(text));
  const seen = textOf(shown);
  return { seen, lines: on.lines.map(textOf), rest: textOf(on.typed), signals };
}

describe("lines that are typed", () => {
  it.each<[what: string, text: string, result: Partial<ReturnType<typeof typed>>]>([
    ["are read when they are ended", "one\rtw", { seen: "one\r\ntw", lines: ["one\n"], rest: "tw" }],
    ["lose their last character", "abc\x7f\x7fd\r", { seen: "abc\b \b\b \bd\r\n", lines: ["ad\n"] }],
    ["cannot lose what is not there", "\x7f\x7f\r", { seen: "\r\n", lines: ["\n"] }],
    ["lose a whole character of several bytes", "aé\x7f\r", { seen: "aé\b \b\r\n", lines: ["a\n"] }],
    ["lose their last word", "one two.\x17x\r", { seen: "one two.\b \b\b \b\b \b\b \bx\r\n", lines: ["one x\n"] }],
    ["are forgotten as a whole", "abc\x15d\r", { seen: "abc\b \b\b \b\b \bd\r\n", lines: ["d\n"] }],
    ["show control characters", "a\x01\x7f\r", { seen: "a^A\b \b\b \b\r\n", lines: ["a\n"] }],
    ["know how wide a tab is", "ab\t\x7f\r", { seen: `ab\t${"\b \b".repeat(6)}\r\n`, lines: ["ab\n"] }],
    ["take a character as it is after ^V", "\x16\x03\r", { seen: "^\b^C\r\n", lines: ["\x03\n"], signals: [] }],
    ["are shown again", "ab\x12c\r", { seen: "ab^R\r\nabc\r\n", lines: ["abc\n"] }],
    ["end with ^D, which is not read", "ab\x04", { seen: "ab", lines: ["ab"] }],
    ["are an end of file when nothing was typed", "\x04", { seen: "", lines: [""] }],
    ["are forgotten by a signal", "ab\rcd\x03ef", { seen: "ab\r\ncd^Cef", lines: [], rest: "ef", signals: [2] }],
    ["stop and end tasks", "\x1a\x1c", { seen: "^Z^\\", signals: [20, 3] }],
    ["let flow control pass unseen", "a\x13b\x11c", { seen: "abc", rest: "abc" }],
  ])("%s", (_what, text, result) => {
    expect(typed(text)).toMatchObject(result);
  });

  it("are no longer than 4095 bytes", () => {
    const on = terminal();
    typed("x".repeat(5000), on);
    expect(on.typed.length).toBe(4095);
    typed("\r", on);
    expect(on.lines[0]!.length).toBe(4096);
  });

  it("take room even if they are only ends of files", () => {
    const on = terminal();
    typed("\x04".repeat(10), on);
    expect(typedBytes(on)).toBe(10);
  });

  it("are not echoed when nobody is to see them, but for their end if that is wanted", () => {
    const quiet = (more: number) =>
      terminal(({ settings }) => {
        settings.local = (settings.local & ~Local.ECHO) | more;
      });
    expect(typed("secret\x7f\r", quiet(0)).seen).toBe("");
    expect(typed("secret\r", quiet(Local.ECHONL)).seen).toBe("\r\n");
  });

  it("are none without canonical mode: every byte can be read, signals still work", () => {
    const raw = terminal(({ settings }) => {
      settings.local &= ~(Local.ICANON | Local.ECHO);
    });
    expect(typed("a\x7f\x04b\x03", raw)).toMatchObject({ seen: "", lines: [], rest: "", signals: [2] });
    expect(typed("a\x7f\rb", raw)).toMatchObject({ rest: "a\x7f\nb" });
    changeMode(raw, false);
    raw.settings.local |= Local.ICANON;
    changeMode(raw, false);
    expect(raw.lines.map(textOf)).toEqual(["a\x7f\nb"]);
  });

  it("are the same however they arrive", () => {
    const characters = fc.constantFrom(..."ab é\t\r\x7f\x15\x17\x16\x04\x03\x12\x1a".split(""));
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 60 }), (text) => {
        const [whole, split] = [terminal(), terminal()];
        const once = typed(text.join(""), whole);
        const parts = text.map((character) => typed(character, split));
        expect(parts.map(({ seen }) => seen).join("")).toBe(once.seen);
        expect(split).toEqual(whole);
      }),
    );
  });
});

describe("what is printed", () => {
  it("goes out with line ends as terminals want them, or as it is", () => {
    expect(textOf(processOutput(terminal(), bytesOf("a\nb\r\n")))).toBe("a\r\nb\r\r\n");
    const plain = terminal(({ settings }) => {
      settings.output = 0;
    });
    expect(textOf(processOutput(plain, bytesOf("a\nb")))).toBe("a\nb");
  });

  it("can have tabs made spaces, by where the cursor is", () => {
    const spaces = terminal(({ settings }) => {
      settings.output |= 0o14000;
    });
    expect(textOf(processOutput(spaces, bytesOf("ab\tc\n\t.")))).toBe(`ab${" ".repeat(6)}c\r\n${" ".repeat(8)}.`);
  });
});

describe("settings", () => {
  it("are those that Linux's terminals begin with", () => {
    const { input, output, local, characters } = usualSettings();
    expect(input & (Input.ICRNL | Input.IXON)).toBe(Input.ICRNL | Input.IXON);
    expect({ output, local }).toEqual({ output: 5, local: 0o105073 });
    expect(characters[Character.erase]).toBe(0x7f);
  });
});
