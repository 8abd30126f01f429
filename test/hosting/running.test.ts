/** Which machines may run, where something else than a start has set them running. */
import { afterEach, expect, test } from "vitest";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import {
  eventually,
  outcome,
  reasonOf,
  resume,
  startHosting,
  startOf,
  type TestHosting,
  typed,
} from "../support/hosting.ts";

let bench: TestHosting;
afterEach(() => bench.close());

/** Computes for a while after each line. */
const WORKS = `#include <stdio.h>
int main(void) { char line[64]; while (fgets(line, sizeof line, stdin)) for (volatile long i = 0; i < 4000000000; i++) ; }`;

test.skipIf(!hasCompiler)("one that is brought back or typed at, and may not run, is paused", async () => {
  let allowed = true;
  const asked: string[] = [];
  const runs = ({ id }: { id: string }) => {
    asked.push(id);
    return allowed;
  };
  bench = await startHosting({ runs });
  const { id } = await bench.machine({ "/bin/spin": compileC(sources.spin) });
  const spinning = await bench.hosting.use(id);
  await spinning.apply(startOf("/bin/spin"));
  await spinning.apply(resume);
  const { instructions } = spinning.visible.summary.position;
  await eventually(() => spinning.visible.summary.position.instructions > instructions);
  const idle = await bench.hosting.use((await bench.machine({ "/bin/works": compileC(WORKS) })).id);
  await idle.apply(startOf("/bin/works"));
  await idle.apply(resume);
  await eventually(() => idle.visible.summary.run === "idle");
  expect(asked).toContain(id);
  allowed = false;
  await spinning.worker.kill();
  await eventually(async () => (await bench.hosting.use(id)).visible.summary.run === "paused");
  expect((await bench.hosting.use(id)).visible.summary.reason).toBe("too many running");
  await eventually(async () => (await bench.hosting.use(idle.id)).visible.summary.run === "idle");
  await (await bench.hosting.use(idle.id)).apply(typed("x\n"));
  await eventually(async () => (await bench.hosting.use(idle.id)).visible.summary.run === "paused");
});

test("one that is kept out gets no lease", async () => {
  let acquired = 0;
  const gone: string[] = [];
  bench = await startHosting({
    arrives: () => Promise.reject(new Error("no room")),
    left: (machineId) => void gone.push(machineId),
  });
  bench.faults.acquire = () => void (acquired += 1);
  const { id } = await bench.machine();
  expect(reasonOf(await outcome(bench.hosting.use(id)))).toContain("no room");
  expect([acquired, gone]).toEqual([0, []]);
});
