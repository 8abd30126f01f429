/**
 * Every call is authorised here, before its function runs, by the two tables of policy.ts; the functions of
 * api/services can rely on it. What a request names must be in a course of the caller's, and be the caller's or of
 * somebody whom the caller's role there reaches; and the key must be good for the operation.
 *
 * What the caller may not see is answered as what does not exist. What may be seen, but not touched, and what needs
 * another role altogether, is PERMISSION_DENIED. A stream is authorised as long as it is open (open-streams.ts).
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { invalid, notFound, permissionDenied } from "../errors.ts";
import { type Context, isRequestStream, isResponseStream, methodPath, type Operation } from "../operation.ts";
import type { MemberRow, Owner } from "../store/types.ts";
import {
  assertNotArchived,
  assertSees,
  assertUnbounded,
  type Caller,
  chooseCourse,
  isAdmin,
  may,
  reachOf,
  roleIn,
  roleNeeded,
} from "./caller.ts";
import type { Identifier } from "./identity.ts";
import type { OpenStream, OpenStreams } from "./open-streams.ts";
import { type Action, COURSE_ROLES, changes, type Kind, RULES, type Rule, SEEN_BY } from "./policy.ts";

/** How the things that requests name are found; null: there is none. */
export type Lookup = Readonly<Record<Kind, (id: string) => Promise<Owner | null>>> & {
  member(courseId: string, userId: string): Promise<MemberRow | null>;
};

/** The rules of a method. Throws when the table has none: then nobody knows who may call it. */
export function rulesOf(method: DescMethod): readonly Rule[] {
  const rules = RULES[method.parent.name]?.[method.name];
  if (rules === undefined) throw new Error(`${methodPath(method)} has no row in api/auth/policy.ts`);
  return rules;
}

/** The same operation, for those who may. */
export function authorised(
  lookup: Lookup,
  current: Identifier["current"],
  streams: OpenStreams,
): (operation: Operation) => Operation {
  return (operation) => {
    const rules = rulesOf(operation.method);
    const check = async (request: unknown, context: Context) => {
      const caller = await current(context);
      assertGoodFor(caller, operation.method, rules);
      for (const rule of rules) await obey(lookup, rule, request as Named, caller, context);
    };
    return { ...operation, handler: guarded(operation, check, streams) };
  };
}

/** Methods with one answer that may be long in coming: a program decides. They last as long as streams do. */
const BLOCKING: ReadonlySet<string> = new Set(["TaskService/Call", "CapabilityService/Invoke"]);

type Check = (request: unknown, context: Context) => Promise<void>;

function guarded({ method, handler }: Operation, check: Check, streams: OpenStreams): Operation["handler"] {
  if (isResponseStream(method)) {
    return async function* (request, context) {
      const stream = streams.open(context);
      try {
        yield* handler(await checked(method, request, context, check, stream), context) as AsyncIterable<unknown>;
      } finally {
        stream.close();
      }
    };
  }
  if (isRequestStream(method) || BLOCKING.has(`${method.parent.name}/${method.name}`)) {
    return async (request, context) => {
      const stream = streams.open(context);
      try {
        return await handler(await checked(method, request, context, check, stream), context);
      } finally {
        stream.close();
      }
    };
  }
  return async (request, context) => {
    await check(request, context);
    return handler(request, context);
  };
}

/** Of a stream of requests the first one names everything. */
async function checked(
  method: DescMethod,
  request: unknown,
  context: Context,
  check: Check,
  stream: OpenStream,
): Promise<unknown> {
  if (!isRequestStream(method)) {
    stream.authorise = () => check(request, context);
    await stream.authorise();
    return request;
  }
  const requests = (request as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  const first = await requests.next();
  stream.authorise = () => check(first.done ? {} : first.value, context);
  await stream.authorise();
  return again(first, requests);
}

async function* again(first: IteratorResult<unknown>, rest: AsyncIterator<unknown>): AsyncGenerator<unknown> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** What a key is good for. */
function assertGoodFor({ key }: Caller, method: DescMethod, rules: readonly Rule[]): void {
  if (key.readOnly && rules.some(changes))
    throw permissionDenied(`The key ${key.id} is for reading; ${method.name} changes something.`, "KEY_READ_ONLY");
  const names = [`${method.parent.name}/${method.name}`, `${method.parent.name}/*`];
  if (key.operations.length > 0 && !key.operations.some((each) => names.includes(each)))
    throw permissionDenied(`The key ${key.id} is not for ${names[0]}.`, "KEY_NOT_FOR_OPERATION");
}

/** The fields by which requests name things. */
interface Named extends Partial<Record<`${Kind}Id` | "userId", string>> {
  /** Of a stream's first message. */
  readonly message?: { readonly value?: unknown };
}

function idIn(request: Named, field: `${Kind}Id` | "userId"): string {
  if (request.message === undefined) return request[field] ?? "";
  const named = (request.message.value as Named | undefined)?.[field];
  if (named === undefined) throw invalid("open", "the first message must be `open`");
  return named;
}

/** "left.machineId" */
function idAt(request: object, path: string): string {
  const step = (value: unknown, name: string) => (value as Record<string, unknown> | undefined)?.[name];
  const id = path.split(".").reduce<unknown>(step, request);
  return typeof id === "string" ? id : "";
}

async function obey(lookup: Lookup, rule: Rule, request: Named, caller: Caller, context: Context): Promise<void> {
  switch (rule.of) {
    case "caller":
      return;
    case "server":
      if (!isAdmin(caller))
        throw permissionDenied(
          `This is for admins${caller.user.role === "admin" ? ", with a key for everything" : ""}.`,
        );
      return;
    case "user":
      context.courseId = request.courseId ?? "";
      return obeyOfUser(lookup, rule, request, caller);
    case "member":
      context.courseId = chooseCourse(caller, request.courseId ?? "");
      return obeyOfMember(rule.action, { courseId: context.courseId, ownerId: request.userId || caller.id }, caller);
    case "own":
      context.courseId = chooseCourse(caller, request.courseId ?? "");
      return obeyOfOwn(rule, context.courseId, caller);
    case "list":
      if (request.courseId) assertSees(caller, request.courseId);
      return;
    default:
      return obeyOf(
        lookup,
        rule,
        rule.field === undefined ? idIn(request, `${rule.of}Id`) : idAt(request, rule.field),
        caller,
        context,
      );
  }
}

function obeyOfOwn({ action }: Extract<Rule, { of: "own" }>, courseId: string, caller: Caller): void {
  assertSees(caller, courseId);
  if (reachOf(caller, action, courseId) === "none") throw roleNeeded(caller, action, "own", courseId);
  assertNotArchived(caller, action, courseId);
}

function obeyOfMember(action: Action, member: Owner, caller: Caller): void {
  assertSees(caller, member.courseId);
  if (!may(caller, action, member)) throw roleNeeded(caller, action, "all", member.courseId);
  assertNotArchived(caller, action, member.courseId);
}

async function obeyOf(
  lookup: Lookup,
  rule: Extract<Rule, { of: Kind }>,
  id: string,
  caller: Caller,
  context: Context,
): Promise<void> {
  if (id === "" && rule.filter) return;
  context.target ||= `${rule.of} ${id}`;
  // PostgreSQL has no text with a NUL in it: nothing is called that.
  const owner = id.includes("\0") ? null : await lookup[rule.of](id);
  // Also when the caller must not know of it: the course's staff see in its audit log who tried.
  context.courseId ||= owner?.courseId ?? "";
  if (owner === null || !may(caller, SEEN_BY[rule.of], owner)) throw notFound(rule.of, id);
  if (!may(caller, rule.action, owner))
    throw roleNeeded(caller, rule.action, owner.ownerId === caller.id ? "own" : "all", owner.courseId);
  assertNotArchived(caller, rule.action, owner.courseId);
}

/**
 * One's own keys and, as an admin, anybody's, with a key that is not bounded itself; and, in one's own course, those for
 * the course of members with a lower role than one's own.
 */
async function obeyOfUser(
  lookup: Lookup,
  { action }: Extract<Rule, { of: "user" }>,
  { userId = "", courseId = "" }: Named,
  caller: Caller,
): Promise<void> {
  if (isAdmin(caller) || userId === caller.id) return action === "key.change" ? assertUnbounded(caller) : undefined;
  const member =
    courseId === "" || reachOf(caller, action, courseId) !== "all" ? null : await lookup.member(courseId, userId);
  const role = roleIn(caller, courseId);
  const isBelow =
    member !== null &&
    role !== null &&
    role !== "admin" &&
    COURSE_ROLES.indexOf(member.role) < COURSE_ROLES.indexOf(role);
  if (!isBelow)
    throw permissionDenied(
      "You can manage your own keys only, and as staff those for your course of its students and graders.",
    );
  assertNotArchived(caller, action, courseId);
}
