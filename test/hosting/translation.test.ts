/** A machine's spec can say that it is only interpreted. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { configOf } from "../../api/services/spec.ts";
import type { CoreOptions } from "../../kernel/hardware/cpu/core.ts";
import { MachineSpecSchema } from "../../proto/gen/ostler/v1/machines_pb.js";
import { guest, hasCompiler } from "../guest/compile.ts";
import { consoleOf, fileOf, mustApply, runOn, startInput, testMachine, testPorts } from "../support/machine.ts";

test("machines are translated unless their spec says otherwise", () => {
  expect(configOf(create(MachineSpecSchema)).translate).toBeUndefined();
  expect(configOf(create(MachineSpecSchema, { noTranslation: true })).translate).toBe(false);
});

describe.skipIf(!hasCompiler)("a machine without translation", () => {
  const run = (translate?: boolean) => {
    const asked: CoreOptions[] = [];
    const { createCore } = testPorts();
    const machine = testMachine(
      { files: [fileOf("/bin/program", guest("mixed.c"))], ...(translate !== undefined && { translate }) },
      {
        createCore(options) {
          asked.push(options);
          return createCore(options);
        },
      },
    );
    mustApply(machine, startInput("/bin/program", { stdin: "line\n" }));
    runOn(machine);
    const result = { position: machine.position(), printed: consoleOf(machine.drainOutputs()) };
    return { asked: asked.map((options) => options.translate), result };
  };

  test("computes the same", () => {
    const [translated, interpreted] = [run(), run(false)];
    expect([translated.asked, interpreted.asked]).toEqual([[true], [false]]);
    expect(interpreted.result).toEqual(translated.result);
    expect(interpreted.result.printed).toContain("in line");
  });
});
