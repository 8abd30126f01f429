/**
 * Debian's programs, dynamically linked against its C library, on a root file system that is a tar archive of its
 * packages. They are fetched by the host's own apt (packages.ts), and left out where that cannot be.
 */
import { describe, expect, test } from "vitest";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, exitOf, fileOf, mustApply, runOn, startInput, testMachine } from "../support/machine.ts";
import { rootArchive } from "./root.ts";

function rootOrReason(): { root: string } | { reason: string } {
  try {
    return { root: fileOf("", rootArchive()).content };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

const found = rootOrReason();
const reason = "reason" in found ? ` (Debian's packages cannot be had: ${found.reason})` : "";

/** What a script of dash prints. */
function script(text: string): { console: string; code: unknown; broken: string[] } {
  const machine = testMachine({
    memoryBytes: 64 * 2 ** 20,
    environment: ["PATH=/usr/bin", "HOME=/tmp"],
    ...("root" in found && { root: found.root }),
  });
  mustApply(machine, startInput("/usr/bin/dash", { arguments: ["dash", "-c", text], stdin: "" }));
  runOn(machine, 5e9);
  const outputs = machine.drainOutputs();
  return { console: consoleOf(outputs), code: exitOf(outputs)?.status, broken: brokenInvariants(machine) };
}

const prints = (text: string, lines: readonly string[]): void => {
  const ran = script(text);
  expect(ran.console.split("\n").slice(0, -1)).toEqual(lines);
  expect(ran.broken).toEqual([]);
};

describe.skipIf("reason" in found)(`Debian's programs on a root from an archive${reason}`, () => {
  test("pipelines of dash, coreutils, sed, grep and mawk", () => {
    prints("seq 1 100 | mawk '{ s += $1 } END { print s }'; printf '%s\\n' c a b | sort | tac | head -2", [
      "5050",
      "c",
      "b",
    ]);
    prints("cd /tmp; echo hello world > f; cp f g; sed -i s/world/there/ g; grep -c there g; cat f g; rm f; ls", [
      "1",
      "hello world",
      "hello there",
      "g",
    ]);
  });

  test("a database with a thousand transactions", () => {
    const insert = "seq 1 1000 | sed 's/.*/begin; insert into t values(&); commit;/'";
    prints(
      `cd /tmp; { echo 'create table t(a);'; ${insert}; echo 'select count(*), sum(a) from t; pragma integrity_check;'; } | sqlite3 t.db`,
      ["1000|500500", "ok"],
    );
  });

  test("an interpreter that computes and reads files", () => {
    prints(
      `cd /tmp; lua5.4 -e 'local f = io.open("x", "w"); for i = 1, 1000 do f:write(i, "\\n") end f:close()
       local s = 0 for l in io.lines("x") do s = s + tonumber(l) end print(s)'; wc -l x; find /tmp -type f`,
      ["500500", "1000 x", "/tmp/x"],
    );
  });
});
