/**
 * Every call is authorised here, before its function runs, by the two tables of policy.ts; the functions of
 * api/services can rely on it. What a request names must be the caller's, or of somebody whom the caller's role reaches.
 *
 * What the caller may not see is answered as what does not exist. What may be seen, but not touched, and what needs
 * another role altogether, is PERMISSION_DENIED.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { invalid, notFound, permissionDenied } from "../errors.ts";
import { type Context, isRequestStream, isResponseStream, methodPath, type Operation } from "../operation.ts";
import type { UserRow } from "../store/types.ts";
import { callerOf } from "./identity.ts";
import {
  type Action,
  COURSE_ROLES,
  type CourseRole,
  type Kind,
  PERMISSIONS,
  RULES,
  type Rule,
  SEEN_BY,
} from "./policy.ts";

/** Whose a thing is. */
export interface Subject {
  readonly ownerId: string;
}

/** How the things that requests name are found; null: there is none. */
export type Lookup = Readonly<Record<Kind, (id: string) => Promise<Subject | null>>>;

const isAdmin = (caller: UserRow): boolean => caller.role === "admin";

/** Whether the caller may do that to what is of `subject`. */
export function may(caller: UserRow, action: Action, subject: Subject): boolean {
  const reach = reachOf(caller, action);
  return reach === "all" || (reach === "own" && subject.ownerId === caller.id);
}

function reachOf(caller: UserRow, action: Action) {
  return caller.role === "admin" ? "all" : PERMISSIONS[action][caller.role];
}

/** For lists of everybody's things. */
export function requireAll(caller: UserRow, action: Action): void {
  if (reachOf(caller, action) !== "all") throw roleNeeded(caller, action, "all");
}

/** The rules of a method. Throws when the table has none: then nobody knows who may call it. */
export function rulesOf(method: DescMethod): readonly Rule[] {
  const rules = RULES[method.parent.name]?.[method.name];
  if (rules === undefined) throw new Error(`${methodPath(method)} has no row in api/auth/policy.ts`);
  return rules;
}

/** The same operation, for those who may. */
export function authorised(lookup: Lookup): (operation: Operation) => Operation {
  return (operation) => {
    const rules = rulesOf(operation.method);
    const check = async (request: unknown, context: Context) => {
      for (const rule of rules) await obey(lookup, rule, request as Named, callerOf(context));
    };
    return { ...operation, handler: guarded(operation, check) };
  };
}

type Check = (request: unknown, context: Context) => Promise<void>;

function guarded({ method, handler }: Operation, check: Check): Operation["handler"] {
  if (isResponseStream(method)) {
    return async function* (request, context) {
      yield* handler(await checked(method, request, context, check), context) as AsyncIterable<unknown>;
    };
  }
  return async (request, context) => handler(await checked(method, request, context, check), context);
}

/** Of a stream of requests the first one names everything. */
async function checked(method: DescMethod, request: unknown, context: Context, check: Check): Promise<unknown> {
  if (!isRequestStream(method)) {
    await check(request, context);
    return request;
  }
  const requests = (request as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  const first = await requests.next();
  await check(first.done ? {} : first.value, context);
  return again(first, requests);
}

async function* again(first: IteratorResult<unknown>, rest: AsyncIterator<unknown>): AsyncGenerator<unknown> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
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

async function obey(lookup: Lookup, rule: Rule, request: Named, caller: UserRow): Promise<void> {
  switch (rule.of) {
    case "caller":
      return;
    case "server":
      if (!isAdmin(caller)) throw permissionDenied(`This is for admins; ${caller.id} is ${caller.role}.`);
      return;
    case "user":
      if (!isAdmin(caller) && idIn(request, "userId") !== caller.id)
        throw permissionDenied("You can manage your own keys only.");
      return;
    case "course":
      if (reachOf(caller, rule.action) === "none") throw roleNeeded(caller, rule.action, "own");
      return;
    default:
      return obeyOf(
        lookup,
        rule,
        rule.field === undefined ? idIn(request, `${rule.of}Id`) : idAt(request, rule.field),
        caller,
      );
  }
}

async function obeyOf(lookup: Lookup, rule: Extract<Rule, { of: Kind }>, id: string, caller: UserRow): Promise<void> {
  if (id === "" && rule.filter) return;
  const subject = await lookup[rule.of](id);
  if (subject === null || !may(caller, SEEN_BY[rule.of], subject)) throw notFound(rule.of, id);
  if (!may(caller, rule.action, subject))
    throw roleNeeded(caller, rule.action, subject.ownerId === caller.id ? "own" : "all");
}

function roleNeeded(caller: UserRow, action: Action, reach: "own" | "all") {
  const enough = (role: CourseRole) =>
    PERMISSIONS[action][role] === "all" || (reach === "own" && PERMISSIONS[action][role] === "own");
  const least = COURSE_ROLES.find(enough) ?? "admin";
  return permissionDenied(`This needs the role ${least} or higher; ${caller.id} is ${caller.role}.`);
}
