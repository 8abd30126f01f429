import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { graphText } from "../../api/cli/commands/capability.ts";
import { hexDump } from "../../api/cli/hex.ts";
import { list, oneLine, table } from "../../api/cli/output.ts";
import { echoOf, readKeys, readSerialKeys } from "../../api/cli/terminal.ts";
import { GetCapabilityGraphResponseSchema } from "../../proto/gen/ostler/v1/capabilities_pb.js";

interface Row {
  id: string;
  size: number;
}

describe("what is printed for people", () => {
  it("names a slot that another was derived from as its own row does", () => {
    const place = (index: number) => ({ case: "cnode" as const, value: { address: 0x8000_0000n, index } });
    const answer = create(GetCapabilityGraphResponseSchema, {
      slots: [
        { id: "slot@0x80000020", place: place(1), parent: "slot@0x90000000" },
        { id: "slot@0x80000040", place: place(2), parent: "slot@0x80000020" },
      ],
    });
    const [, first, second] = graphText(answer).split("\n");
    expect(first).toMatch(/^cnode 0x80000000\[1\] .* slot@0x90000000 /);
    expect(second).toMatch(/^cnode 0x80000000\[2\] .* cnode 0x80000000\[1\] /);
  });

  it("aligns columns, numbers to the right", () => {
    const columns = [
      { title: "ID", value: (row: Row) => row.id },
      { title: "SIZE", value: (row: Row) => String(row.size), align: "right" as const },
    ];
    const text = table(columns, [
      { id: "m-1", size: 5 },
      { id: "m-1000", size: 12345 },
    ]);
    expect(text.split("\n")).toEqual(["ID       SIZE", "m-1         5", "m-1000  12345"]);
  });

  it("leaves out what is empty", () => {
    expect(
      list([
        ["name", ""],
        ["machine", "m-1"],
      ]),
    ).toBe("machine  m-1");
  });

  it("lets no escape sequence of somebody else reach the terminal", () => {
    expect(oneLine("\u001b[31mred\u009b0m\n")).toBe("\\x1b[31mred\\x9b0m\\x0a");
    expect(table([{ title: "NAME", value: (name: string) => name }], ["\u001b]0;title\u0007"])).not.toContain("\u001b");
  });

  it("shows bytes with their addresses and their text", () => {
    expect(hexDump(new TextEncoder().encode("Hello, machine!\n!"), 0x8000_0000n).split("\n")).toEqual([
      "80000000  48 65 6c 6c 6f 2c 20 6d 61 63 68 69 6e 65 21 0a  Hello, machine!.",
      "80000010  21                                               !",
    ]);
  });
});

describe("the attached terminal", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it("sends keys on until one that means something here", () => {
    expect(readKeys(bytes("ls\r"))).toEqual({ data: bytes("ls\n"), end: null });
    expect(readKeys(bytes("a\u001db"))).toEqual({ data: bytes("a"), end: "leave" });
    expect(readKeys(bytes("\u0004"))).toEqual({ data: bytes(""), end: "end" });
    expect(readSerialKeys(bytes("ls\r\u0003\u0004"))).toEqual({ data: bytes("ls\r\u0003\u0004"), end: null });
    expect(readSerialKeys(bytes("a\u001db"))).toEqual({ data: bytes("a"), end: "leave" });
    expect(readKeys(bytes("\u0003")).data).toEqual(bytes("\u0003"));
  });

  it("shows what is typed, control characters with a caret", () => {
    expect(echoOf(bytes("a\u0003\u007f\n"))).toEqual(bytes("a^C^?\n"));
  });
});
