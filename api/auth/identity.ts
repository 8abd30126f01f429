/**
 * Who calls: API keys as bearer tokens. A key is shown once when it is made; the store knows its SHA-256 only.
 */
import { createHash, randomBytes } from "node:crypto";
import { unauthenticated } from "../errors.ts";
import type { Context } from "../operation.ts";
import type { ApiKeyRow, Store, UserRow } from "../store/types.ts";

const KEY_PREFIX = "ostler_";
/** Services that anyone may call: what monitors and tools need before they have a key. */
const PUBLIC_SERVICES = new Set([
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
]);

export const hashSecret = (secret: string): string => createHash("sha256").update(secret).digest("hex");
export const newSecret = (): string => KEY_PREFIX + randomBytes(24).toString("base64url");

/** How long a key that was found good is believed without asking the store: a revoked key ends within this time. */
const BELIEVED_MS = 2_000;
const MOST_BELIEVED = 10_000;

/** Who an authorization header belongs to; throws UNAUTHENTICATED. */
export type Identify = (header: string | undefined) => Promise<UserRow>;

/** Sets `context.caller`, or throws UNAUTHENTICATED. */
export function authenticator(identify: Identify): (context: Context) => Promise<void> {
  return async (context) => {
    if (PUBLIC_SERVICES.has(context.method.parent.typeName)) return;
    context.caller = await identify(context.requestHeaders.get("authorization"));
  };
}

export function identifier(store: Store): Identify {
  const believed = new Map<string, { user: UserRow; until: number }>();
  return async (header) => {
    if (header === undefined) throw unauthenticated();
    const secret = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
    if (secret === undefined) throw unauthenticated("The authorization header must be: Bearer <key>.");
    const hash = hashSecret(secret);
    const known = believed.get(hash);
    if (known !== undefined && known.until > Date.now()) return known.user;
    believed.delete(hash);
    const found = await store.users.findByKey(hash);
    if (found === null) throw unauthenticated("This API key is not known, expired or revoked.");
    if (believed.size >= MOST_BELIEVED) believed.clear();
    believed.set(hash, { user: found.user, until: Date.now() + BELIEVED_MS });
    return found.user;
  };
}

export function callerOf(context: Context): UserRow {
  if (context.caller === undefined) throw unauthenticated();
  return context.caller as UserRow;
}

/** Makes the first admin on an empty store. Returns the key to print, or null when there are users already. */
export async function createFirstAdmin(store: Store): Promise<string | null> {
  if ((await store.users.count()) > 0) return null;
  await store.users.create({ id: "admin", name: "Administrator", role: "admin" });
  return (await createKey(store, "admin", "first key", null)).secret;
}

export async function createKey(
  store: Store,
  userId: string,
  label: string,
  expiresAt: Date | null,
): Promise<{ key: ApiKeyRow; secret: string }> {
  const secret = newSecret();
  const id = `k-${randomBytes(6).toString("hex")}`;
  return { key: await store.users.createKey({ id, userId, secretHash: hashSecret(secret), label, expiresAt }), secret };
}
