/** A machine never gets far ahead of what the server has stored of it, however fast it talks. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommitBatch } from "../../api/store/types.ts";
import { compileC, hasCompiler } from "../support/guest.ts";
import { eventually, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

const flood = `#include <unistd.h>
static char block[1 << 18];
int main(void) { for (int i = 0; i < sizeof block; i++) block[i] = 'a' + i % 26; for (;;) write(1, block, sizeof block); }`;
const talk = `#include <unistd.h>
int main(void) { for (int i = 0; i < 40; i++) { for (volatile int j = 0; j < 500000; j++) ; write(1, "x", 1); } return 7; }`;

const MIB = 1024 * 1024;
const consoleBytes = (batch: CommitBatch) => batch.console.reduce((sum, { bytes }) => sum + bytes.length, 0);

let server: TestHosting;
beforeEach(async () => {
  server = await startHosting();
});
afterEach(() => server.close());

async function started(source: string) {
  const { id } = await server.machine({ "/bin/guest": compileC(source) });
  const machine = await server.hosting.use(id);
  const { task } = await machine.apply(startOf("/bin/guest"));
  return { machine, task: task! };
}

describe.skipIf(!hasCompiler)("with a store that is slow", () => {
  test("a program that writes without end waits for the store", async () => {
    const { machine } = await started(flood);
    const sizes: number[] = [];
    server.faults.commit = async (batch) => {
      sizes.push(consoleBytes(batch));
      await sleep(500);
    };
    await machine.apply(resume);
    await eventually(() => sizes.filter((size) => size > 0).length >= 3);
    expect(Math.max(...sizes)).toBeLessThan(12 * MIB);
    const { consoleLength } = machine.visible.summary;
    await eventually(() => machine.visible.summary.consoleLength > consoleLength);
  });

  test("a program that talks a little ends as it would with a fast one", async () => {
    const { machine, task } = await started(talk);
    server.faults.commit = () => sleep(30);
    await machine.apply(resume);
    await eventually(() => machine.exit(task) !== undefined);
    expect(machine.exit(task)).toMatchObject({ status: { kind: "exited", code: 7 }, consoleLength: 40 });
  });
});
