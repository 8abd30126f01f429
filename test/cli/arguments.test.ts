import { readFileSync } from "node:fs";
import { fromJson } from "@bufbuild/protobuf";
import { describe, expect, it, test } from "vitest";
import { parseArgument } from "../../api/cli/commands/call.ts";
import { completeTraceOption } from "../../api/cli/commands/run.ts";
import { parseSignal } from "../../api/cli/commands/task.ts";
import { traceFilter } from "../../api/cli/commands/trace.ts";
import { isLoopback, resolveAccess } from "../../api/cli/credentials.ts";
import { UsageError } from "../../api/cli/failure.ts";
import { CreateAssignmentRequestSchema } from "../../proto/gen/ostler/v1/grading_pb.js";

const argument = (given: string) => parseArgument(given).argument;

describe("arguments of a system call", () => {
  it("tells integers, buffers, bytes and text apart", () => {
    expect(argument("3")).toEqual({ case: "integer", value: 3n });
    expect(argument("-100")).toEqual({ case: "integer", value: -100n });
    expect(argument("0x10")).toEqual({ case: "integer", value: 16n });
    expect(argument("0xffffffffffffffff")).toEqual({ case: "integer", value: -1n });
    expect(argument("buffer:4K")).toEqual({ case: "buffer", value: 4096 });
    expect(argument("hex:0a0b")).toEqual({ case: "data", value: new Uint8Array([10, 11]) });
    expect(argument("/etc/motd")).toEqual({ case: "text", value: "/etc/motd" });
    expect(argument("text:3")).toEqual({ case: "text", value: "3" });
    expect(argument("")).toEqual({ case: "text", value: "" });
  });

  it("refuses what does not fit in a register", () => {
    expect(() => parseArgument("18446744073709551616")).toThrow(UsageError);
    expect(() => parseArgument("hex:0a0")).toThrow(UsageError);
  });
});

describe("`run --trace`", () => {
  const words = (line: string) =>
    completeTraceOption(["node", "ostler", ...line.split(" ")])
      .slice(2)
      .join(" ");

  it("takes no value from the next word: that is the program", () => {
    expect(words("run --trace prog.elf")).toBe("run --trace=default prog.elf");
    expect(words("run --memory 64M --trace prog.elf x")).toBe("run --memory 64M --trace=default prog.elf x");
    expect(words("run --trace=fault prog.elf")).toBe("run --trace=fault prog.elf");
  });

  it("leaves the program's own options alone", () => {
    expect(words("run prog.elf --trace")).toBe("run prog.elf --trace");
    expect(words("run --keep prog.elf --trace")).toBe("run --keep prog.elf --trace");
    expect(words("run -- prog.elf --trace")).toBe("run -- prog.elf --trace");
    expect(words("trace follow --trace")).toBe("trace follow --trace");
  });
});

describe("trace filters", () => {
  it("takes a list of categories, or an expression", () => {
    expect(traceFilter({ filter: "syscall,fault" })).toEqual({
      categories: ["syscall", "fault"],
      tasks: [],
      expression: "",
    });
    expect(traceFilter({ filter: 'event == "syscall.exit"' })).toEqual({
      categories: [],
      tasks: [],
      expression: 'event == "syscall.exit"',
    });
    expect(traceFilter({ filter: "all", task: ["1", "2"] })).toEqual({ categories: [], tasks: [1, 2], expression: "" });
    expect(traceFilter({ filter: "task == 1u", expression: "hart == 0u" }).expression).toBe(
      "(task == 1u) && (hart == 0u)",
    );
  });
});

describe("signals", () => {
  it("knows numbers and names", async () => {
    expect(await Promise.all(["9", "KILL", "SIGSEGV", "term"].map(parseSignal))).toEqual([9, 9, 11, 15]);
    await expect(parseSignal("NOTHING")).rejects.toThrow("no such signal");
  });
});

describe("the key", () => {
  it("of the option goes before the environment's", () => {
    expect(resolveAccess({ key: "a" }, { OSTLER_KEY: "b" }).key).toBe("a");
    expect(resolveAccess({}, { OSTLER_KEY: "b" }).key).toBe("b");
  });

  it("is not the administrator's because the one that was meant is empty", () => {
    expect(() => resolveAccess({}, { OSTLER_KEY: "" })).toThrow("OSTLER_KEY is set but empty");
    expect(resolveAccess({ key: "a" }, { OSTLER_KEY: "" }).key).toBe("a");
  });

  it("in the server's own file is never sent to another machine", () => {
    expect(resolveAccess({ server: "ostler.example.org:443", data: "." }, {}).key).toBeUndefined();
    expect(["127.0.0.1:1", "localhost:50051", "[::1]:50051", "http://127.0.0.1:80"].every(isLoopback)).toBe(true);
    expect(["10.0.0.1:1", "127.0.0.1.example.org:1", "example.org:50051"].some(isLoopback)).toBe(false);
  });
});

test("the example of an assignment is as REST takes it", () => {
  const file = readFileSync(new URL("../../docs/examples/assignment.json", import.meta.url), "utf8");
  const { displayName, spec } = fromJson(CreateAssignmentRequestSchema, JSON.parse(file));
  expect(displayName).not.toBe("");
  expect(spec!.tests.map(({ standardInputText }) => standardInputText)).toContain("1 2 3\n");
});
