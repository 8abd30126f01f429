/**
 * The audit log: an event for each call that may change something, whether it was let or refused.
 *
 * What changes rows of the store has its event in the same transaction (store.audit.during). What changes a machine is in
 * the machine's journal, to the instruction; its event is written before the answer. Like calls by the same key within a
 * minute are one event: the first is written at once, how many followed when the minute is over, so that a client that
 * makes a thousand system calls a second does not make as many events. A crash loses such a count, never an event.
 *
 * Calls that are refused cost who makes them nothing, and may name anything: of these a user has so many events in a
 * minute (REFUSALS_IN_FULL), and what goes beyond is counted in one event for each method, outcome and course of the user's,
 * which names nothing and has the reason MORE_REFUSALS.
 */
import { randomUUID } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import type { AuditService } from "../../proto/gen/ostler/v1/audit_pb.js";
import { rulesOf } from "../auth/authorise.ts";
import { type Caller, isAdmin, scopeOf } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { changes, SEEN_BY } from "../auth/policy.ts";
import { Code, codeName, toOstlerError } from "../errors.ts";
import {
  type Context,
  isRequestStream,
  isResponseStream,
  type Operation,
  type ServiceImplementation,
} from "../operation.ts";
import type { AuditRow, Store } from "../store/types.ts";
import { type Deps, pageQuery, toDate, toTimestamp } from "./common.ts";

const WINDOW_MS = 60_000;
const MOST_WINDOWS = 10_000;
/** Events in a minute of calls of one user that were refused; beyond that they are only counted. */
export const REFUSALS_IN_FULL = 60;
/** Characters of what a request names. */
const MOST_NAMED = 256;

interface Window {
  id: string;
  count: number;
  lastAt: Date;
  /** What is written of it. */
  written: number;
  until: number;
}

/** The events of a user's refused calls since the minute began. */
interface Refusals {
  events: number;
  readonly until: number;
}

export class AuditLog {
  readonly #audit: Store["audit"];
  readonly #onError: (error: unknown) => void;
  readonly #windows = new Map<string, Window>();
  readonly #refusals = new Map<string, Refusals>();
  readonly #timer: NodeJS.Timeout;

  constructor(audit: Store["audit"], onError: (error: unknown) => void) {
    this.#audit = audit;
    this.#onError = onError;
    this.#timer = setInterval(() => void this.#tidy(), WINDOW_MS / 4);
    this.#timer.unref();
  }

  /** Writes the counts that are not written yet. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush(() => true);
  }

  /** The same operation, with an event of each call if it changes something. */
  readonly audited = (operation: Operation): Operation => {
    const { method, handler } = operation;
    if (!rulesOf(method).some(changes)) return operation;
    const log = this;
    if (!isResponseStream(method))
      return {
        ...operation,
        handler: (request, context) => this.#one(method, request, context, () => handler(request, context)),
      };
    return {
      ...operation,
      handler: async function* (request, context) {
        // A stream may last for hours: its event is of its beginning, or of its refusal.
        const items = (handler(request, context) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
        try {
          const first = await log.#one(method, request, context, () => items.next());
          for (let next = first as IteratorResult<unknown>; !next.done; next = await items.next()) yield next.value;
        } finally {
          await items.return?.();
        }
      },
    };
  };

  async #one(method: DescMethod, request: unknown, context: Context, work: () => unknown): Promise<unknown> {
    const at = new Date();
    const end = { code: Code.OK as Code, reason: "" };
    const id = randomUUID();
    const row = () => rowOf(id, at, method, request, context, end);
    const event = { row, taken: false };
    try {
      return await this.#audit.during(event, work as () => Promise<unknown>);
    } catch (error) {
      const { code, reason } = toOstlerError(error, context.signal);
      Object.assign(end, { code, reason });
      throw error;
    } finally {
      const isWritten = event.taken;
      // What goes on in the background after the call is not its doing.
      event.taken = true;
      await this.#record(row(), callerOf(context), isWritten).catch(this.#onError);
    }
  }

  async #record(row: AuditRow, caller: Caller, isWritten: boolean): Promise<void> {
    const { outcome, reason } = row;
    if (!isWritten) return this.#count(row, caller);
    if (outcome !== "OK") await this.#audit.amend(row.id, { outcome, reason });
  }

  async #count(row: AuditRow, caller: Caller): Promise<void> {
    if (this.#isCounted(row)) return;
    const event = row.outcome === "OK" || this.#mayHaveAnother(row.actorId) ? row : oneOfMany(row, caller);
    if (event !== row && this.#isCounted(event)) return;
    if (this.#windows.size >= MOST_WINDOWS) await this.#flush(() => true);
    const name = nameOf(event);
    const before = this.#windows.get(name);
    const window = { id: event.id, count: 1, lastAt: event.at, written: 1, until: performance.now() + WINDOW_MS };
    this.#windows.set(name, window);
    try {
      await this.#audit.write(event);
    } catch (error) {
      // There is no event that the next like it could be counted in.
      if (this.#windows.get(name) === window) this.#windows.delete(name);
      throw error;
    }
    if (before !== undefined) await this.#write(before);
  }

  /** Whether there is an event of a call like that already, which now counts it. */
  #isCounted(row: AuditRow): boolean {
    const known = this.#windows.get(nameOf(row));
    if (known === undefined || known.until <= performance.now()) return false;
    known.count += 1;
    known.lastAt = row.at;
    return true;
  }

  /** Whether a refused call of that user gets an event of its own. */
  #mayHaveAnother(actorId: string): boolean {
    const now = performance.now();
    const known = this.#refusals.get(actorId);
    const refusals = known !== undefined && known.until > now ? known : { events: 0, until: now + WINDOW_MS };
    this.#refusals.set(actorId, refusals);
    if (refusals.events >= REFUSALS_IN_FULL) return false;
    refusals.events += 1;
    return true;
  }

  async #tidy(): Promise<void> {
    const now = performance.now();
    for (const [actorId, { until }] of this.#refusals) if (until <= now) this.#refusals.delete(actorId);
    await this.#flush(({ until }) => until <= now);
  }

  async #flush(isDue: (window: Window) => boolean): Promise<void> {
    for (const [name, window] of [...this.#windows]) {
      if (!isDue(window)) continue;
      this.#windows.delete(name);
      await this.#write(window).catch(this.#onError);
    }
  }

  async #write(window: Window): Promise<void> {
    const { id, count, lastAt, written } = window;
    if (count > written) await this.#audit.amend(id, { count, lastAt });
  }
}

/** Calls of the same name are alike. */
const nameOf = ({ actorId, keyId, operation, target, courseId, outcome, reason }: AuditRow): string =>
  [actorId, keyId, operation, target, courseId, outcome, reason].join("\0");

/** Without anything that the caller could choose at will. The staff of the caller's own courses see it there. */
function oneOfMany(row: AuditRow, { memberships }: Caller): AuditRow {
  const courseId = memberships.some((member) => member.courseId === row.courseId) ? row.courseId : "";
  return { ...row, keyId: "", courseId, target: "", reason: "MORE_REFUSALS" };
}

function rowOf(
  id: string,
  at: Date,
  method: DescMethod,
  request: unknown,
  context: Context,
  end: { code: Code; reason: string },
): AuditRow {
  const { id: actorId, key } = callerOf(context);
  return {
    id,
    at,
    count: 1,
    lastAt: at,
    actorId,
    keyId: key.id,
    courseId: storable(context.courseId),
    operation: `${method.parent.name}/${method.name}`,
    target: storable(isRequestStream(method) ? context.target : targetOf(request as Record<string, unknown>)),
    outcome: codeName(end.code),
    reason: end.reason,
    transport: context.transport,
    peer: context.peer,
    requestId: context.requestId,
  };
}

/** What a request names may be any text, but PostgreSQL has none with a NUL in it. */
const storable = (text: string): string => text.replaceAll("\0", "").slice(0, MOST_NAMED);

/** In the order in which they tell the most. */
const NAMES = [...Object.keys(SEEN_BY), "user", "key"].map((kind) => [kind, `${kind}Id`] as const);

function targetOf(request: Record<string, unknown>): string {
  const named = NAMES.filter(([, field]) => typeof request[field] === "string" && request[field] !== "");
  const program = typeof request["programHash"] === "string" ? [`program ${request["programHash"]}`] : [];
  return [...named.map(([kind, field]) => `${kind} ${request[field]}`), ...program].join(", ");
}

export function auditService(deps: Pick<Deps, "store">): ServiceImplementation<typeof AuditService> {
  return {
    async listAuditEvents(request, context) {
      const { courseId, actorId, operation, target, since, until } = request;
      const caller = callerOf(context);
      const { courseIds } = scopeOf(caller, "audit.read", { courseId, allOwners: true });
      const { items, nextPageToken } = await deps.store.audit.list({
        ...pageQuery(request),
        courseIds,
        ofServer: isAdmin(caller),
        actorId,
        operation,
        target,
        since: since === undefined ? null : toDate(since, "since"),
        until: until === undefined ? null : toDate(until, "until"),
      });
      const events = items.map(({ id, at, lastAt, count, ...row }) => ({
        ...row,
        eventId: id,
        at: toTimestamp(at),
        lastAt: toTimestamp(lastAt),
        count: BigInt(count),
      }));
      return { events, nextPageToken };
    },
  };
}
