/**
 * Who calls: API keys as bearer tokens. A key is shown once when it is made; the store knows its SHA-256 only.
 */
import { createHash, randomBytes } from "node:crypto";
import { unauthenticated } from "../errors.ts";
import type { Context } from "../operation.ts";
import type { ApiKeyRow, KeyScope, NewKey, Store } from "../store/types.ts";
import type { Caller } from "./caller.ts";

const KEY_PREFIX = "ostler_";
/** Services that anyone may call: what monitors and tools need before they have a key. */
const PUBLIC_SERVICES = new Set([
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
]);

export const hashSecret = (secret: string): string => createHash("sha256").update(secret).digest("hex");
export const newSecret = (): string => KEY_PREFIX + randomBytes(24).toString("base64url");

/**
 * How long a key that was found good is believed without asking the store. What this server changes of keys, users and
 * courses it knows at once; what comes to pass by itself, such as a key's expiry, within this time.
 */
const BELIEVED_MS = 2_000;
const MOST_BELIEVED = 10_000;

/** Who an authorization header belongs to; throws UNAUTHENTICATED. */
export type Identify = (header: string | undefined) => Promise<Caller>;

/** Sets `context.caller`, or throws UNAUTHENTICATED. */
export function authenticator(identify: Identify): (context: Context) => Promise<void> {
  return async (context) => {
    if (PUBLIC_SERVICES.has(context.method.parent.typeName)) return;
    context.caller = await identify(context.requestHeaders.get("authorization"));
  };
}

export interface Identifier {
  identify: Identify;
  /**
   * The context's caller as of now. Between the headers of a call and its message, and while a stream is open, a key may
   * have been revoked, or have become good for something else.
   */
  current(context: Context): Promise<Caller>;
  /** What a key is good for has changed. */
  forget(): void;
}

export function identifier(store: Pick<Store, "users">): Identifier {
  const believed = new Map<string, { caller: Caller; until: number }>();
  let currentUntil = new WeakMap<Caller, number>();
  let changes = 0;
  const identify: Identify = async (header) => {
    if (header === undefined) throw unauthenticated();
    const secret = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
    if (secret === undefined) throw unauthenticated("The authorization header must be: Bearer <key>.");
    const hash = hashSecret(secret);
    const known = believed.get(hash);
    if (known !== undefined && known.until > performance.now()) return known.caller;
    believed.delete(hash);
    const asked = changes;
    const found = await store.users.findByKey(hash);
    if (found === null)
      throw unauthenticated("This API key is not known, expired or revoked, or its user is disabled.");
    if (believed.size >= MOST_BELIEVED) believed.clear();
    const caller = { ...found, id: found.user.id };
    const left = (found.key.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - Date.now();
    const until = performance.now() + Math.min(BELIEVED_MS, left);
    // What was read while something changed may be what was true before.
    if (asked === changes) {
      believed.set(hash, { caller, until });
      currentUntil.set(caller, until);
    }
    return caller;
  };
  const current = async (context: Context) => {
    const known = callerOf(context);
    if ((currentUntil.get(known) ?? 0) > performance.now()) return known;
    const caller = await identify(context.requestHeaders.get("authorization"));
    context.caller = caller;
    return caller;
  };
  const forget = () => {
    changes += 1;
    believed.clear();
    currentUntil = new WeakMap();
  };
  return { identify, current, forget };
}

export function callerOf(context: Context): Caller {
  if (context.caller === undefined) throw unauthenticated();
  return context.caller as Caller;
}

/**
 * Makes the first admin on an empty store. Returns the key to print, or null when there are users already. `keep` has the key
 * before it is stored: if it could not be kept afterwards, nobody would get in any more.
 */
export async function createFirstAdmin(
  store: Store,
  keep: (secret: string) => void = () => {},
): Promise<string | null> {
  if ((await store.users.count()) > 0) return null;
  const { key, secret } = newKey({ userId: "admin", label: "first key", expiresAt: null });
  keep(secret);
  await store.users.create({ id: "admin", name: "Administrator", role: "admin" });
  await store.users.createKey(key);
  return secret;
}

export type KeyFields = Pick<NewKey, "userId" | "label" | "expiresAt"> & Partial<KeyScope>;

/** A key that is not stored yet, and its secret, which is not stored at all. */
export function newKey<Fields extends object>(
  fields: Fields,
): { key: Fields & { id: string; secretHash: string }; secret: string } {
  const secret = newSecret();
  const id = `k-${randomBytes(6).toString("hex")}`;
  return { key: { ...fields, id, secretHash: hashSecret(secret) }, secret };
}

export async function createKey(store: Store, fields: KeyFields): Promise<{ key: ApiKeyRow; secret: string }> {
  const { key, secret } = newKey(fields);
  return { key: await store.users.createKey(key), secret };
}
