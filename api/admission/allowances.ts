/**
 * Allowances that fill up evenly: what was used is forgotten at the rate of the limit. Between starts of the server the
 * store keeps those that take an hour; a clock that was set back meanwhile fills nothing up, and takes nothing away.
 */
import type { AllowanceRow, QuotaHolder } from "../store/types.ts";
import { isQuotaName, kindOf, type QuotaName } from "./kinds.ts";

/** Less of all there can be is not worth being woken for. */
const LEAST_SHARE = 0.1;
/** Of all there can be: more than that nobody owes, whatever was used under a limit that was higher. */
const MOST_USED = 2;

interface Entry {
  readonly holder: QuotaHolder;
  readonly kind: QuotaName;
  /** More than there was, if more was used before that was noticed. */
  used: number;
  /** By the clock that is never set. */
  at: number;
  isSaved: boolean;
}

export class Allowances {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(now: () => number) {
    this.#now = now;
  }

  spend(holder: QuotaHolder, kind: QuotaName, limit: number, amount: number): void {
    const entry = this.#at(holder, kind, limit);
    entry.used += amount;
    entry.isSaved = false;
  }

  used(holder: QuotaHolder, kind: QuotaName, limit: number): number {
    return Math.max(0, this.#at(holder, kind, limit).used);
  }

  /** Whether there is any of it left, or `amount` where it comes in whole ones. */
  has(holder: QuotaHolder, kind: QuotaName, limit: number, amount = 0): boolean {
    const { used } = this.#at(holder, kind, limit);
    const most = mostOf(kind, limit);
    return amount === 0 ? used < most : used + amount <= most;
  }

  /** Until there is enough of it to come back for. */
  retryAfterMs(holder: QuotaHolder, kind: QuotaName, limit: number): number {
    const most = mostOf(kind, limit);
    const excess = this.#at(holder, kind, limit).used - most * (1 - LEAST_SHARE);
    return Math.max(1, Math.ceil((excess / limit) * periodOf(kind)));
  }

  /** Until there is `amount` of it. */
  roomAfterMs(holder: QuotaHolder, kind: QuotaName, limit: number, amount: number): number {
    const excess = this.#at(holder, kind, limit).used + amount - mostOf(kind, limit);
    return Math.max(0, Math.ceil((excess / limit) * periodOf(kind)));
  }

  fullAfterMs(holder: QuotaHolder, kind: QuotaName, limit: number): number {
    return Math.ceil((this.used(holder, kind, limit) / limit) * periodOf(kind));
  }

  /** What the store had, `agoMs` old each. */
  load(rows: readonly AllowanceRow[], wallNow: number): void {
    for (const { courseId, userId, kind, used, at } of rows) {
      if (!isQuotaName(kind) || kindOf(kind).allowance === undefined) continue;
      const agoMs = Math.max(0, wallNow - at.getTime());
      const holder = { courseId, userId };
      this.#entries.set(nameOf(holder, kind), { holder, kind, used, at: this.#now() - agoMs, isSaved: true });
    }
  }

  /** Those that have changed since they were last asked for. */
  unsaved(wallNow: number): AllowanceRow[] {
    const rows: AllowanceRow[] = [];
    for (const entry of this.#entries.values()) {
      const { holder, kind, used, at } = entry;
      if (entry.isSaved || !kindOf(kind).allowance!.isKept) continue;
      entry.isSaved = true;
      rows.push({ ...holder, kind, used: Math.ceil(used), at: new Date(wallNow - (this.#now() - at)) });
    }
    return rows;
  }

  /** Those have not been stored after all. */
  unsave(rows: readonly AllowanceRow[]): void {
    for (const { kind, ...holder } of rows) {
      const entry = isQuotaName(kind) ? this.#entries.get(nameOf(holder, kind)) : undefined;
      if (entry !== undefined) entry.isSaved = false;
    }
  }

  #at(holder: QuotaHolder, kind: QuotaName, limit: number): Entry {
    const now = this.#now();
    const name = nameOf(holder, kind);
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const { courseId, userId } = holder;
      entry = { holder: { courseId, userId }, kind, used: 0, at: now, isSaved: true };
      this.#entries.set(name, entry);
    }
    const used = Math.min(entry.used, MOST_USED * mostOf(kind, limit));
    entry.used = Math.max(0, used - ((now - entry.at) / periodOf(kind)) * limit);
    entry.at = now;
    return entry;
  }
}

/** Of a kind for a holder, in tables. */
export const nameOf = ({ courseId, userId }: QuotaHolder, kind: QuotaName): string => `${kind}\0${courseId}\0${userId}`;
const periodOf = (kind: QuotaName): number => kindOf(kind).allowance!.periodMs;
export const mostOf = (kind: QuotaName, limit: number): number => limit * kindOf(kind).allowance!.burst;
