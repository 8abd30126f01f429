/** Machines in memory take no more of it than the operator allows; those that were unused for longest make room. */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { Residency } from "../../api/hosting/residency.ts";
import { Footprint, LEAST_BYTES } from "../../api/hosting/worker/footprint.ts";
import { compileC, hasCompiler } from "../support/guest.ts";
import {
  eventually,
  outcome,
  pause,
  reasonOf,
  resume,
  startHosting,
  startOf,
  type TestHosting,
  typed,
} from "../support/hosting.ts";

const MIB = 1024 * 1024;

test("a machine's footprint is the pages that were ever written or fetched, whatever was captured meanwhile", () => {
  const PAGES = 8;
  const OF_RAM = 5;
  const page = fc.nat(PAGES - 1);
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("write" as const, "fetch" as const), page }),
    fc.record({ kind: fc.constantFrom("look" as const, "capture" as const), page }),
  );
  fc.assert(
    fc.property(fc.uniqueArray(page), fc.array(step, { maxLength: 40 }), (stored, steps) => {
      const absent = new Set(stored);
      const dirty = new Set<number>();
      const held = new Set<number>();
      const memory = {
        pageBytes: 4096 as const,
        isPresent(each: number) {
          // Of disks, which may have a thousand times as many, no page is looked at.
          expect(each).toBeLessThan(OF_RAM);
          return !absent.has(each);
        },
        isDirty: (each: number) => dirty.has(each),
        get flags() {
          const flagsOf = (_: unknown, each: number) => (absent.has(each) ? 0 : 1) + (dirty.has(each) ? 2 : 0);
          return Uint8Array.from({ length: OF_RAM }, flagsOf);
        },
        get diskPagesHeld() {
          return [...held].filter((each) => each >= OF_RAM).length;
        },
      };
      let now = 0;
      const footprint = new Footprint(memory, () => now);
      for (const { kind, page } of steps) {
        if (kind === "write" || (kind === "fetch" && absent.has(page))) held.add(page);
        if (kind === "write" || kind === "fetch") absent.delete(page);
        if (kind === "write") dirty.add(page);
        if (kind === "capture") footprint.look();
        if (kind === "capture") dirty.clear();
        if (kind !== "look") continue;
        now += 1_000;
        expect(footprint.bytes).toBe(LEAST_BYTES + held.size * 4096);
      }
    }),
  );
});

/** As much of a machine as residency looks at. */
const machineOf = (id: string) =>
  ({
    id,
    users: 0,
    broken: null,
    memoryBytes: LEAST_BYTES,
    lastUsedAt: 0,
    visible: { sequence: 0, summary: { run: "idle" } },
    snapshotAt: { sequence: 0 },
    assertUsable() {},
  }) as unknown as HostedMachine;

/** The same by the simplest means: names in the order of their last use, and what each takes. */
class Model {
  awake: string[] = [];
  readonly #taken = new Map<string, number>();
  readonly #ceiling: number;

  constructor(ceiling: number) {
    this.#ceiling = ceiling;
  }

  use(id: string): void {
    if (!this.awake.includes(id)) {
      this.#evict((bytes) => this.awake.length > 0 && bytes + LEAST_BYTES > this.#ceiling);
      this.#taken.set(id, LEAST_BYTES);
    }
    this.awake = [...this.awake.filter((other) => other !== id), id];
  }

  grow(id: string, bytes: number): void {
    this.#taken.set(id, bytes);
    this.#evict((sum) => this.awake.length > 1 && sum > this.#ceiling);
  }

  #evict(isTooMuch: (bytes: number) => boolean): void {
    while (isTooMuch(this.awake.reduce((sum, id) => sum + this.#taken.get(id)!, 0))) this.awake.shift();
  }
}

test("who goes first when memory is short: a model", async () => {
  const ids = ["a", "b", "c", "d", "e"];
  const step = fc.record({ id: fc.constantFrom(...ids), growsTo: fc.option(fc.integer({ min: 1, max: 40 })) });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 8, max: 60 }), fc.array(step, { maxLength: 25 }), async (mib, steps) => {
      const memoryCeilingBytes = mib * MIB;
      const errors: unknown[] = [];
      const residency = new Residency(
        { maxResident: 100, memoryCeilingBytes, hibernateAfterMs: 3_600_000, onError: (error) => errors.push(error) },
        { wake: async (id) => machineOf(id), save: async () => {}, release: async () => {} },
      );
      const model = new Model(memoryCeilingBytes);
      for (const { id, growsTo } of steps) {
        const machine = await residency.use(id);
        model.use(id);
        if (growsTo !== null) {
          machine.memoryBytes = LEAST_BYTES + growsTo * MIB;
          residency.relieve();
          model.grow(id, machine.memoryBytes);
          await eventually(() => residency.bytes <= memoryCeilingBytes || residency.occupied === 1);
        }
        expect(ids.filter((each) => residency.peek(each) !== undefined)).toEqual([...model.awake].sort());
      }
      expect(errors).toEqual([]);
      await residency.close(async () => {}, 0);
    }),
    { numRuns: 60 },
  );
});

const BLOCK_BYTES = 3 * MIB;
const hog = `#include <stdio.h>
#include <string.h>
static char block[${BLOCK_BYTES}];
int main(void) { char line[64]; setvbuf(stdout, 0, _IONBF, 0); memset(block, 1, sizeof block); printf("ready\\n");
  while (fgets(line, sizeof line, stdin)) printf("%d of %s", memchr(block, 0, sizeof block) == 0, line); return 0; }`;
const spinning = `#include <string.h>
static char block[${BLOCK_BYTES}];
int main(void) { memset(block, 1, sizeof block); for (;;) ; }`;

describe.skipIf(!hasCompiler)("with guests that need memory", () => {
  let bench: TestHosting;
  afterEach(() => bench.close());

  /** As a client does that is told to come again. */
  const use = async (id: string): Promise<HostedMachine> => {
    let machine: HostedMachine | null = null;
    await eventually(async () => {
      const used = await outcome(bench.hosting.use(id));
      if ("value" in used) machine = used.value;
      else expect(reasonOf(used)).toBe("SERVER_MEMORY_FULL");
      return machine !== null;
    });
    return machine!;
  };

  const guest = async (source: string) => {
    const { id } = await bench.machine({ "/bin/guest": compileC(source) });
    const machine = await use(id);
    await machine.apply(startOf("/bin/guest"));
    await machine.apply(resume);
    return id;
  };

  const says = async (id: string, text: string) => {
    await eventually(async () => {
      const { bytes } = await (await use(id)).readConsole(0, 4096);
      return Buffer.from(bytes).includes(text);
    });
  };

  test("more machines than fit all work, and memory stays below the ceiling", async () => {
    const memoryCeilingBytes = 2 * (BLOCK_BYTES + LEAST_BYTES) + 2 * MIB;
    bench = await startHosting({ memoryCeilingBytes, workers: 1 });
    const { hosting } = bench;
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      ids.push(await guest(hog));
      await says(ids[i]!, "ready");
    }
    for (const round of ["first", "second"])
      for (const id of ids) {
        await (await use(id)).apply(typed(`${round}\n`));
        await says(id, `1 of ${round}`);
        await eventually(() => hosting.figures().memoryBytes <= memoryCeilingBytes);
      }
    await eventually(() => ids.some((id) => hosting.peek(id) === undefined));
    for (const id of ids) await use(id);
    expect(hosting.figures().wakes).toBeGreaterThan(ids.length);
    expect(bench.errors).toEqual([]);
  });

  test("where those that run take all of it, the next one is told what to do, and when to come again", async () => {
    bench = await startHosting({ memoryCeilingBytes: BLOCK_BYTES + LEAST_BYTES, workers: 1 });
    const { hosting } = bench;
    const { id: resting } = await bench.machine();
    const id = await guest(spinning);
    await eventually(() => hosting.figures().memoryBytes > BLOCK_BYTES + LEAST_BYTES);
    const refused = await outcome(hosting.use(resting));
    expect(reasonOf(refused)).toBe("SERVER_MEMORY_FULL");
    expect(refused).toMatchObject({ error: { retryAfterMs: 2_000, message: expect.stringContaining("try again") } });
    await (await hosting.use(id)).apply(pause);
    await use(resting);
    expect(hosting.peek(id)).toBeUndefined();
  });

  test("a machine that grows makes those leave that rest", async () => {
    bench = await startHosting({ memoryCeilingBytes: BLOCK_BYTES + 2 * LEAST_BYTES, workers: 1 });
    const { hosting } = bench;
    const { id: resting } = await bench.machine();
    await hosting.use(resting);
    const id = await guest(spinning);
    await eventually(() => hosting.peek(resting) === undefined);
    expect(hosting.peek(id)).toBeDefined();
  });
});
