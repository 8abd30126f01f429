/**
 * Which machines are in memory, and the order in which each comes and goes:
 *
 *     absent ──▶ waking ──▶ awake ◀──▶ leaving ──▶ absent
 *
 * Must hold:
 * - what is asked for about one machine (wake, put away, restore, delete) is done one after the other, in that order;
 * - no more than `maxResident` machines are anything but absent;
 * - none comes in while those that are take `memoryCeilingBytes` and more, and when they grow beyond it, those that were
 *   unused for longest leave; but one machine may always be there, whatever it takes;
 * - all who ask for a machine while it is on its way get the same wake;
 * - putting a machine away waits for no other machine, so that those who wait for room cannot wait for each other.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { OstlerError, resourceExhausted, unavailable } from "../errors.ts";
import { Bell } from "./feeds.ts";
import type { HostedMachine } from "./hosted.ts";
import { LEAST_BYTES } from "./worker/footprint.ts";

export interface ResidencyOptions {
  /** Machines in memory at once. */
  maxResident: number;
  /** Memory that they may take together. It is what they are known to take, which may fall short for a moment. */
  memoryCeilingBytes: number;
  /** A machine that is idle or paused and unused for so long hibernates. */
  hibernateAfterMs: number;
  /** Called with what went wrong in the background. */
  onError(error: unknown, machineId: string): void;
}

/** How machines come and go; when is decided here. */
export interface Mover {
  /** Brings it into a worker. If that fails nothing of it stays there. */
  wake(machineId: string): Promise<HostedMachine>;
  /** Makes it quick to bring back. */
  save(machine: HostedMachine): Promise<void>;
  /** Ends it for all who use it and frees its memory. Does not fail. */
  release(machine: HostedMachine): Promise<void>;
}

const SWEEP_EVERY_MS = 1_000;

class Place {
  readonly machineId: string;
  phase: "absent" | "waking" | "awake" | "leaving" = "absent";
  /** Set while awake and while leaving. */
  machine: HostedMachine | null = null;
  readonly #onEmpty: () => void;
  #tail: Promise<unknown> = Promise.resolve();
  #steps = 0;
  #waking: Promise<HostedMachine> | null = null;

  constructor(machineId: string, onEmpty: () => void) {
    this.machineId = machineId;
    this.#onEmpty = onEmpty;
  }

  /** What it takes of memory, or will take at least. */
  get bytes(): number {
    return this.phase === "absent" ? 0 : (this.machine?.memoryBytes ?? LEAST_BYTES);
  }

  /** The machine, if it can be used at once. */
  get usable(): HostedMachine | null {
    return this.#steps === 0 && this.phase === "awake" && this.machine?.broken === null ? this.machine : null;
  }

  /** Runs it when everything that was asked for before has been done. */
  step<T>(work: () => Promise<T>): Promise<T> {
    this.#waking = null;
    this.#steps += 1;
    const done = this.#tail.then(work).finally(() => {
      this.#steps -= 1;
      if (this.#steps === 0 && this.phase === "absent") this.#onEmpty();
    });
    this.#tail = done.catch(() => {});
    return done;
  }

  /** The same for a wake: shared by all who come before something else is asked for. */
  wake(work: () => Promise<HostedMachine>): Promise<HostedMachine> {
    if (this.#waking !== null) return this.#waking;
    const waking = this.step(work).finally(() => {
      if (this.#waking === waking) this.#waking = null;
    });
    this.#waking = waking;
    return waking;
  }
}

export class Residency {
  readonly #options: ResidencyOptions;
  readonly #mover: Mover;
  readonly #stopped = new AbortController();
  /** Of all machines that are in memory, or about which something was asked for. */
  readonly #places = new Map<string, Place>();
  /** Rung when a machine has left, or stays after all. */
  readonly #departures = new Bell();
  #relieving = false;
  /** Machines that left because nobody used them, their room was needed, or somebody said so. */
  hibernations = 0;

  constructor(options: ResidencyOptions, mover: Mover) {
    this.#options = options;
    this.#mover = mover;
    void this.#sweep();
  }

  get isClosed(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** Machines in memory, on their way in, or on their way out. */
  get occupied(): number {
    return this.#places.size - this.#inPhase("absent").length;
  }

  /** Memory that they take. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#places.values()) sum += bytes;
    return sum;
  }

  /** What each machine that is in memory takes, in no order. */
  get sizes(): number[] {
    return this.#inPhase("awake").map(({ bytes }) => bytes);
  }

  /** Time to leave room for those that somebody comes for. */
  get isHalfFull(): boolean {
    const { maxResident, memoryCeilingBytes } = this.#options;
    return this.occupied >= maxResident / 2 || this.bytes >= memoryCeilingBytes / 2;
  }

  byPhase(): Record<"waking" | "awake" | "leaving", number> {
    const count = (phase: Place["phase"]) => this.#inPhase(phase).length;
    return { waking: count("waking"), awake: count("awake"), leaving: count("leaving") };
  }

  async use(machineId: string): Promise<HostedMachine> {
    this.#assertOpen();
    const place = this.#placeOf(machineId);
    const machine = place.usable ?? (await place.wake(() => this.#wake(place)));
    machine.lastUsedAt = performance.now();
    return machine;
  }

  /** The machine, if it is awake and stays so for now. */
  peek(machineId: string): HostedMachine | undefined {
    const place = this.#places.get(machineId);
    return place?.phase === "awake" && place.machine?.broken === null ? place.machine : undefined;
  }

  async hibernate(machineId: string): Promise<void> {
    const place = this.#places.get(machineId);
    await place?.step(() => this.#putAway(place, () => true));
  }

  /** Unless somebody uses it, or comes for it meanwhile. */
  async hibernateUnused(machineId: string): Promise<void> {
    const place = this.#places.get(machineId);
    if (place?.usable && isAtRest(place.usable)) await this.#putAwayInBackground(place, isUnusedSinceSaved);
  }

  /** Does it while the machine is in memory, when all that was asked for before is done; not at all if it is not there then. */
  async whileAwake(machineId: string, work: (machine: HostedMachine) => Promise<void>): Promise<void> {
    const place = this.#places.get(machineId);
    await place?.step(async () => {
      const { machine } = place;
      if (!this.isClosed && place.phase === "awake" && machine?.broken === null) await work(machine);
    });
  }

  /** Does it while the machine is not in memory. What is in memory goes unsaved; nobody else gets in meanwhile. */
  vacate<T>(machineId: string, work: () => Promise<T>): Promise<T> {
    const place = this.#placeOf(machineId);
    return place.step(async () => {
      if (place.machine !== null) await this.#leave(place, place.machine);
      return work();
    });
  }

  /** They have grown: as long as it is too much, those that were unused for longest leave, in the background. */
  relieve(): void {
    if (this.#relieving || !this.#isTooHeavy) return;
    this.#relieving = true;
    void this.#relieve().finally(() => (this.#relieving = false));
  }

  /** A machine that is broken is of no use to anybody, but its worker may still run it. */
  discard(machine: HostedMachine): void {
    const place = this.#places.get(machine.id);
    if (place?.machine !== machine || place.phase !== "awake") return;
    void place.step(async () => {
      if (place.machine === machine) await this.#leave(place, machine);
    });
  }

  /**
   * Wakes no more machines, and puts away those that are awake, for `graceMs` at most. `kill` ends those that are still
   * waking, and those that are not saved by then.
   */
  async close(kill: () => Promise<void>, graceMs: number): Promise<void> {
    this.#stopped.abort();
    const awake = [...this.#places.values()].filter(({ machine }) => machine !== null);
    const saved = Promise.all(awake.map((place) => this.#putAwayInBackground(place, () => true)));
    await (Number.isFinite(graceMs) ? Promise.race([saved, sleep(graceMs, undefined, { ref: false })]) : saved);
    await kill();
    await Promise.all([...this.#places.keys()].map((machineId) => this.vacate(machineId, async () => {})));
  }

  async #wake(place: Place): Promise<HostedMachine> {
    if (place.machine?.broken === null) return place.machine;
    if (place.machine !== null) await this.#leave(place, place.machine);
    await this.#takeRoom(place);
    try {
      this.#assertOpen();
      const machine = await this.#mover.wake(place.machineId);
      place.machine = machine;
      place.phase = "awake";
      machine.assertUsable();
      return machine;
    } catch (error) {
      if (place.machine !== null) await this.#leave(place, place.machine);
      else this.#setAbsent(place);
      throw error;
    }
  }

  /** Makes the place a waking one as soon as there is room for it, or says that there is none. */
  async #takeRoom(place: Place): Promise<void> {
    const tried = new Set<Place>();
    for (let full = this.#isFull(); full !== null; full = this.#isFull()) {
      const oldest = this.#oldest(tried);
      if (oldest !== undefined) {
        tried.add(oldest);
        await this.#putAwayInBackground(oldest, isUnusedSinceSaved);
      } else if (this.#inPhase("leaving").length > 0) {
        await this.#departures.next(this.#stopped.signal);
        this.#assertOpen();
      } else {
        throw full;
      }
    }
    place.phase = "waking";
  }

  /** Why none comes in. */
  #isFull(): OstlerError | null {
    const { occupied } = this;
    const { maxResident, memoryCeilingBytes } = this.#options;
    if (occupied >= maxResident) return noRoom(maxResident);
    const fits = occupied === 0 || this.bytes + LEAST_BYTES <= memoryCeilingBytes;
    return fits ? null : memoryFull(memoryCeilingBytes);
  }

  get #isTooHeavy(): boolean {
    return this.occupied > 1 && this.bytes > this.#options.memoryCeilingBytes;
  }

  async #relieve(): Promise<void> {
    const tried = new Set<Place>();
    while (!this.isClosed && this.#isTooHeavy) {
      const oldest = this.#oldest(tried);
      if (oldest === undefined) return;
      tried.add(oldest);
      await this.#putAwayInBackground(oldest, isUnusedSinceSaved);
    }
  }

  #oldest(except: ReadonlySet<Place>): Place | undefined {
    let oldest: Place | undefined;
    for (const place of this.#unused()) {
      if (except.has(place)) continue;
      if (oldest === undefined || place.machine!.lastUsedAt < oldest.machine!.lastUsedAt) oldest = place;
    }
    return oldest;
  }

  #unused(): Place[] {
    return this.#inPhase("awake").filter(({ usable }) => usable !== null && isAtRest(usable));
  }

  async #putAwayInBackground(place: Place, isDue: (machine: HostedMachine) => boolean): Promise<void> {
    const put = place.step(() => this.#putAway(place, isDue));
    await put.catch((error) => {
      // A typed error says only that the machine broke meanwhile, which is told where it did.
      if (!(error instanceof OstlerError)) this.#options.onError(error, place.machineId);
    });
  }

  /** `isDue` has the last word once the machine is saved: somebody may have come for it meanwhile. */
  async #putAway(place: Place, isDue: (machine: HostedMachine) => boolean): Promise<void> {
    const { machine } = place;
    if (machine === null) return;
    let stays = false;
    place.phase = "leaving";
    try {
      if (machine.broken === null) await this.#mover.save(machine);
      // Who was just given it, or an answer of it, says the next word in this turn of the event loop.
      await nextTurn();
      stays = machine.broken === null && !isDue(machine);
    } finally {
      if (!stays) await this.#leave(place, machine);
    }
    if (!stays) {
      this.hibernations += 1;
      return;
    }
    place.phase = "awake";
    this.#departures.ring();
  }

  async #leave(place: Place, machine: HostedMachine): Promise<void> {
    place.phase = "leaving";
    await this.#mover.release(machine);
    this.#setAbsent(place);
  }

  #setAbsent(place: Place): void {
    place.machine = null;
    place.phase = "absent";
    this.#departures.ring();
  }

  /** Puts away machines that nobody uses. */
  async #sweep(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await sleep(SWEEP_EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
      this.relieve();
      const before = performance.now() - this.#options.hibernateAfterMs;
      for (const place of this.#unused()) {
        if (signal.aborted) return;
        if (place.machine!.lastUsedAt <= before) await this.#putAwayInBackground(place, isUnusedSinceSaved);
      }
    }
  }

  #placeOf(machineId: string): Place {
    const known = this.#places.get(machineId);
    if (known !== undefined) return known;
    const place = new Place(machineId, () => this.#places.delete(machineId));
    this.#places.set(machineId, place);
    return place;
  }

  #inPhase(phase: Place["phase"]): Place[] {
    return [...this.#places.values()].filter((place) => place.phase === phase);
  }

  #assertOpen(): void {
    if (this.isClosed) throw unavailable("SHUTTING_DOWN", "the server is shutting down; try again soon", 2_000);
  }
}

function isAtRest({ users, broken, visible }: HostedMachine): boolean {
  return users === 0 && broken === null && visible.summary.run !== "running";
}

const isUnusedSinceSaved = (machine: HostedMachine): boolean =>
  isAtRest(machine) && machine.visible.sequence === machine.snapshotAt.sequence;

const noRoom = (maxResident: number) =>
  resourceExhausted(
    "TOO_MANY_ACTIVE_MACHINES",
    `All ${maxResident} places for active machines are taken by machines that run or are being used; ` +
      "try again in a moment, or pause a machine that need not run.",
    2_000,
  );

const memoryFull = (bytes: number) =>
  resourceExhausted(
    "SERVER_MEMORY_FULL",
    `The ${Math.floor(bytes / 2 ** 20)} MiB of memory for active machines are taken by machines that run or are being used; ` +
      "try again in a moment, or pause a machine that need not run.",
    2_000,
  );
