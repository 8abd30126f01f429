/**
 * What members of a course may use up, each of them and all together, so that nobody's endless loop, flood or hoard costs
 * the others more than their share. All of it is decided here.
 *
 * A limit is the user's in the course, or the one that the course gives each member, or the server's default; and beside
 * it there is the one that all members share. Limits, allowances and what is in memory are known here: no call asks the
 * database, but for those that make something that is stored. A limit of 0 is none.
 */
import type { ServerConfig } from "../config.ts";
import { type OstlerError, resourceExhausted } from "../errors.ts";
import { type WeightRow, Weights } from "../hosting/worker/weights.ts";
import { ALL_MEMBERS, EACH_MEMBER, type Owner, type QuotaHolder, type Store } from "../store/types.ts";
import { Allowances, nameOf } from "./allowances.ts";
import { type Arrival, Arrivals } from "./arrivals.ts";
import { isQuotaName, kindOf, type QuotaDefaults, type QuotaName, type SettingName, WEIGHT } from "./kinds.ts";

/** How much of a kind an owner has: of one member, or of all of the course (ownerId null). */
export type Count = (scope: { courseId: string; ownerId: string | null }) => number;
type CountStored = (scope: Parameters<Count>[0]) => Promise<number>;

type Machine = Owner & { id: string };

interface Limit {
  holder: QuotaHolder;
  limit: number;
}

/** What somebody is making: so much, until it is stored or given up. */
interface Making {
  more: number;
  end: Promise<void>;
}

const holderOf = ({ courseId, ownerId }: Owner): QuotaHolder => ({ courseId, userId: ownerId });

export class Quotas {
  /** What is stored of uploads and named by no row. It counts as what is. */
  readonly arrivals = new Arrivals();
  readonly #store: Pick<Store, "usage" | "quotas">;
  readonly #defaults: QuotaDefaults;
  readonly #allowances: Allowances;
  readonly #limits = new Map<string, number>();
  #weights: readonly WeightRow[] = [];
  /** Machines that are in memory, or on their way in. */
  readonly #resident = new Map<string, Owner & { bytes: number }>();
  /** Machines that are being set running, as often as they are. */
  readonly #starting: Machine[] = [];
  /** Those that make something that is stored, by the limit that they share. */
  readonly #underWay = new Map<string, Set<Making>>();
  #running: () => Iterable<Machine> = () => [];

  constructor(
    store: Pick<Store, "usage" | "quotas">,
    defaults: QuotaDefaults | ServerConfig,
    now: () => number = () => performance.now(),
  ) {
    this.#store = store;
    this.#defaults = defaults;
    this.#allowances = new Allowances(now);
  }

  /** Takes up what the store has. */
  async load(): Promise<void> {
    for (const { kind, limit, ...holder } of await this.#store.quotas.limits()) {
      if (isQuotaName(kind)) this.#limits.set(nameOf(holder, kind), limit);
      else if (kind === WEIGHT) this.#setWeight(holder, limit);
    }
    this.#allowances.load(await this.#store.quotas.allowances(), Date.now());
  }

  /** Stores how far allowances are used up. */
  async save(): Promise<void> {
    const rows = this.#allowances.unsaved(Date.now());
    try {
      await this.#store.quotas.saveAllowances(rows);
    } catch (error) {
      this.#allowances.unsave(rows);
      throw error;
    }
  }

  /** Which machines are running hosting knows. */
  countRunningBy(running: () => Iterable<Machine>): void {
    this.#running = running;
  }

  /** Null: none of its own any more. */
  async set(holder: QuotaHolder, changes: readonly { kind: SettingName; limit: number | null }[]): Promise<void> {
    await this.#store.quotas.setLimits(holder, changes);
    for (const { kind, limit } of changes) {
      if (kind === WEIGHT) this.#setWeight(holder, limit);
      else if (limit === null) this.#limits.delete(nameOf(holder, kind));
      else this.#limits.set(nameOf(holder, kind), limit);
    }
  }

  #setWeight({ courseId, userId }: QuotaHolder, weight: number | null): void {
    const others = this.#weights.filter((row) => row.courseId !== courseId || row.userId !== userId);
    this.#weights = weight === null ? others : [...others, { courseId, userId, weight }];
  }

  /** Weights of shares of the processor that are set. */
  weights(): readonly WeightRow[] {
    return this.#weights;
  }

  weightOf({ courseId, userId }: QuotaHolder): { limit: number; own: boolean } {
    const weights = new Weights(this.#weights);
    const share = userId === ALL_MEMBERS ? [courseId] : [courseId, userId];
    return { limit: weights.of(share), own: weights.own({ courseId, userId }) !== undefined };
  }

  limitOf(holder: QuotaHolder, kind: QuotaName): { limit: number; own: boolean } {
    const own = this.#limits.get(nameOf(holder, kind));
    if (own !== undefined) return { limit: own, own: true };
    const { courseId, userId } = holder;
    const { user, course } = kindOf(kind);
    const ofEach =
      userId === ALL_MEMBERS ? undefined : this.#limits.get(nameOf({ courseId, userId: EACH_MEMBER }, kind));
    return {
      limit: ofEach ?? this.#defaults[(userId === ALL_MEMBERS ? course : user) as keyof QuotaDefaults],
      own: false,
    };
  }

  /** What the server gives each member of any course. */
  defaultOf(kind: QuotaName): number {
    return this.#defaults[kindOf(kind).user as keyof QuotaDefaults];
  }

  // ---- Allowances

  /** Of a machine of theirs. Returns whether it may go on. */
  executed(owner: Owner, instructions: number): boolean {
    return this.#spend(owner, "instructions", instructions);
  }

  /** Throws RESOURCE_EXHAUSTED, with the time at which there is something to run on again. */
  assertMayExecute(owner: Owner): void {
    this.#assertLeft(owner, "instructions");
  }

  /** Lets one call in. One that is refused uses nothing up. */
  admitRequest(owner: Owner): void {
    const limits = this.#limitsFor(owner, "requests");
    for (const { holder, limit } of limits)
      if (!this.#allowances.has(holder, "requests", limit, 1)) throw this.#usedUp(holder, "requests", limit);
    for (const { holder, limit } of limits) this.#allowances.spend(holder, "requests", limit, 1);
  }

  /** The same for what is not refused, but waits: 0, or how long until it is worth asking again. */
  admitMessage(owner: Owner): number {
    const limits = this.#limitsFor(owner, "requests");
    const waits = limits.map(({ holder, limit }) => this.#allowances.roomAfterMs(holder, "requests", limit, 1));
    const waitMs = Math.max(0, ...waits);
    if (waitMs === 0) for (const { holder, limit } of limits) this.#allowances.spend(holder, "requests", limit, 1);
    return waitMs;
  }

  /** Passes a trace on to `owner` as far as there is an allowance for it. */
  async *tracing<T>(owner: Owner, sizeOf: (message: T) => number, messages: AsyncGenerator<T>): AsyncGenerator<T> {
    this.#assertLeft(owner, "traceBytes");
    for await (const message of messages) {
      // Before it is passed on: who takes it and goes has had it.
      const isLeft = this.#spend(owner, "traceBytes", sizeOf(message));
      yield message;
      if (!isLeft) this.#assertLeft(owner, "traceBytes");
    }
  }

  #spend(owner: Owner, kind: QuotaName, amount: number): boolean {
    let isLeft = true;
    for (const { holder, limit } of this.#limitsFor(owner, kind)) {
      this.#allowances.spend(holder, kind, limit, amount);
      isLeft &&= this.#allowances.has(holder, kind, limit);
    }
    return isLeft;
  }

  #assertLeft(owner: Owner, kind: QuotaName): void {
    for (const { holder, limit } of this.#limitsFor(owner, kind))
      if (!this.#allowances.has(holder, kind, limit)) throw this.#usedUp(holder, kind, limit);
  }

  #usedUp(holder: QuotaHolder, kind: QuotaName, limit: number): OstlerError {
    const said = `${nounOf(holder)} used up the ${limit} ${kindOf(kind).unit}`;
    return refused(holder, kind, limit, said, this.#allowances.retryAfterMs(holder, kind, limit));
  }

  // ---- What there is at once

  /** Sets a machine running by `work`, or throws RESOURCE_EXHAUSTED. `isRunning`: it counts already. */
  async starting<T>(machine: Machine, isRunning: boolean, work: () => Promise<T>): Promise<T> {
    this.assertMayExecute(machine);
    if (!isRunning) this.#assertBelow(machine, "running", 1, (scope) => this.#runningIn(scope, machine.id));
    this.#starting.push(machine);
    try {
      return await work();
    } finally {
      this.#starting.splice(this.#starting.indexOf(machine), 1);
    }
  }

  /** Of one that runs without having been set running: it was brought back, or typed at. */
  mayRun(machine: Machine): boolean {
    return this.#over(machine, "running", 1, (scope) => this.#runningIn(scope, machine.id)) === null;
  }

  /** Whether one more submission of this owner may be graded beside these. */
  mayGrade(owner: Owner, graded: readonly Owner[]): boolean {
    return this.#limitsFor(owner, "running").every(
      ({ holder, limit }) => graded.filter((other) => isOf(other, scopeOf(holder))).length < limit,
    );
  }

  /** Whether a machine of so much RAM more fits. `machineId` itself is not counted. */
  fits(owner: Owner, machineId: string, bytes: number): OstlerError | null {
    return this.#over(owner, "memory", bytes, (scope) => this.#residentIn(scope, machineId));
  }

  arrives(machineId: string, { courseId, ownerId }: Owner, bytes: number): void {
    this.#resident.set(machineId, { courseId, ownerId, bytes });
  }

  left(machineId: string): void {
    this.#resident.delete(machineId);
  }

  /** Throws RESOURCE_EXHAUSTED when there are as many machines as there may be. */
  assertRoomForMachine(owner: Owner, count: CountStored): Promise<void> {
    return this.#assertStored(owner, "machines", 1, count);
  }

  /** Makes a machine by `work` if there may be one more, however many are being made at once. */
  makingMachine<T>(owner: Owner, count: CountStored, work: () => Promise<T>): Promise<T> {
    return this.#making(owner, "machines", 1, count, work);
  }

  /** Stores so many bytes more by `work`, in the same way. What has arrived of them already is not counted twice. */
  storing<T>(owner: Owner, bytes: number, work: () => Promise<T>, arrival: Arrival | null = null): Promise<T> {
    return this.#making(owner, "storage", bytes, (scope) => this.#storedIn(scope, arrival), work);
  }

  /** The same for what must be measured first: that is spared where there is no limit. */
  async storingMeasured<T>(owner: Owner, measure: () => Promise<number>, work: () => Promise<T>): Promise<T> {
    if (this.#limitsFor(owner, "storage").length === 0) return work();
    return this.storing(owner, await measure(), work);
  }

  /** Nobody knows yet whether those that are under way will be stored: who comes later counts them as if they were. */
  async #making<T>(
    owner: Owner,
    kind: QuotaName,
    more: number,
    count: CountStored,
    work: () => Promise<T>,
  ): Promise<T> {
    const limits = this.#limitsFor(owner, kind).map(({ holder, limit }) => {
      const all = this.#underWay.get(nameOf(holder, kind)) ?? new Set();
      this.#underWay.set(nameOf(holder, kind), all);
      return { holder, limit, all, before: [...all] };
    });
    const { promise: end, resolve: ended } = Promise.withResolvers<void>();
    const mine: Making = { more, end };
    for (const { all } of limits) all.add(mine);
    try {
      for (const { holder, limit, before } of limits) {
        const room = { holder, kind, limit, more, used: () => count(scopeOf(holder)) };
        await assertRoomBeside(before, room);
      }
      return await work();
    } finally {
      ended();
      for (const { holder, all } of limits) {
        all.delete(mine);
        if (all.size === 0) this.#underWay.delete(nameOf(holder, kind));
      }
    }
  }

  /** Throws RESOURCE_EXHAUSTED when so many bytes more are too many. */
  assertRoom(owner: Owner, bytes: number, arrival: Arrival | null = null): Promise<void> {
    return this.#assertStored(owner, "storage", bytes, (scope) => this.#storedIn(scope, arrival));
  }

  async #assertStored(owner: Owner, kind: QuotaName, more: number, count: CountStored): Promise<void> {
    for (const { holder, limit } of this.#limitsFor(owner, kind)) {
      const used = await count(scopeOf(holder));
      if (used + more > limit) throw tooMuch(holder, kind, limit, used, more);
    }
  }

  #assertBelow(owner: Owner, kind: QuotaName, more: number, count: Count): void {
    const error = this.#over(owner, kind, more, count);
    if (error !== null) throw error;
  }

  #over(owner: Owner, kind: QuotaName, more: number, count: Count): OstlerError | null {
    for (const { holder, limit } of this.#limitsFor(owner, kind)) {
      const used = count(scopeOf(holder));
      if (used + more > limit) return tooMuch(holder, kind, limit, used, more);
    }
    return null;
  }

  /** One that is being set running may be seen to run already. `but` is not counted. */
  #runningIn(scope: ReturnType<typeof scopeOf>, but = ""): number {
    const ids = new Set<string>();
    for (const machines of [this.#running(), this.#starting])
      for (const machine of machines) if (machine.id !== but && isOf(machine, scope)) ids.add(machine.id);
    return ids.size;
  }

  #residentIn(scope: ReturnType<typeof scopeOf>, but = ""): number {
    let bytes = 0;
    for (const [machineId, machine] of this.#resident)
      if (machineId !== but && isOf(machine, scope)) bytes += machine.bytes;
    return bytes;
  }

  async #storedIn(scope: ReturnType<typeof scopeOf>, but: Arrival | null = null): Promise<number> {
    const named = await this.#store.usage({ courseIds: [scope.courseId], ownerId: scope.ownerId });
    return named + this.arrivals.bytesOf((owner) => isOf(owner, scope), but);
  }

  // ---- What people see

  /** How much of a kind there is used of a holder's; of what is not limited, 0. `machines` counts those that are stored. */
  async use(
    holder: QuotaHolder,
    kind: SettingName,
    machines: CountStored,
  ): Promise<{ limit: number; own: boolean; used: number; fullAfterMs: number }> {
    if (kind === WEIGHT) return { ...this.weightOf(holder), used: 0, fullAfterMs: 0 };
    const { limit, own } = this.limitOf(holder, kind);
    const scope = scopeOf(holder);
    if (kindOf(kind).allowance !== undefined) {
      if (limit === 0) return { limit, own, used: 0, fullAfterMs: 0 };
      const used = Math.ceil(this.#allowances.used(holder, kind, limit));
      return { limit, own, used, fullAfterMs: this.#allowances.fullAfterMs(holder, kind, limit) };
    }
    const counts: Partial<Record<QuotaName, () => number | Promise<number>>> = {
      running: () => this.#runningIn(scope),
      memory: () => this.#residentIn(scope),
      storage: () => this.#storedIn(scope),
      machines: () => machines(scope),
    };
    return { limit, own, used: (await counts[kind]?.()) ?? 0, fullAfterMs: 0 };
  }

  /** The user's own limit and the one that is shared, where there is one. */
  #limitsFor(owner: Owner, kind: QuotaName): Limit[] {
    const limits: Limit[] = [];
    for (const holder of [holderOf(owner), { courseId: owner.courseId, userId: ALL_MEMBERS }]) {
      const { limit } = this.limitOf(holder, kind);
      if (limit !== 0) limits.push({ holder, limit });
    }
    return limits;
  }
}

const scopeOf = ({ courseId, userId }: QuotaHolder) => ({ courseId, ownerId: userId === ALL_MEMBERS ? null : userId });

export const isOf = (owner: Owner, { courseId, ownerId }: ReturnType<typeof scopeOf>): boolean =>
  owner.courseId === courseId && (ownerId === null || owner.ownerId === ownerId);

const nounOf = ({ courseId, userId }: QuotaHolder): string =>
  userId === ALL_MEMBERS ? `All members of course ${courseId} together have` : `${userId} has, in course ${courseId},`;

/**
 * Throws when there is no room beside those that began before. What was stored is read after they were noted, so each of
 * them is counted at least once; where that is too much they are waited for, and then counted as what became of them.
 */
async function assertRoomBeside(
  before: readonly Making[],
  { holder, kind, limit, more, used }: Limit & { kind: QuotaName; more: number; used: () => Promise<number> },
): Promise<void> {
  const beside = before.reduce((sum, making) => sum + making.more, 0);
  if ((await used()) + beside + more <= limit) return;
  await Promise.all(before.map(({ end }) => end));
  const stored = await used();
  if (stored + more > limit) throw tooMuch(holder, kind, limit, stored, more);
}

/** What alone is more than the limit will not fit later either. */
function tooMuch(holder: QuotaHolder, kind: QuotaName, limit: number, used: number, more: number): OstlerError {
  const said = `${nounOf(holder)} ${used} of the ${limit} ${kindOf(kind).unit} that there may be`;
  return refused(holder, kind, limit, said, more > limit ? undefined : kindOf(kind).retryAfterMs);
}

function refused(
  { courseId, userId }: QuotaHolder,
  kind: QuotaName,
  limit: number,
  said: string,
  retryAfterMs: number | undefined,
): OstlerError {
  const { reason, advice } = kindOf(kind);
  const metadata = {
    quota: kind,
    limit: String(limit),
    course: courseId,
    ...(userId !== ALL_MEMBERS && { user: userId }),
  };
  return resourceExhausted(reason, `${said}; ${advice}.`, retryAfterMs, { metadata });
}
