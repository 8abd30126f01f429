/** Calls a second: every call of somebody who is known passes here, before anything is looked at or done for it. */
import { courseCharged, isAdmin } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import type { Context } from "../operation.ts";
import type { Quotas } from "./quotas.ts";

type Authenticate = (context: Context) => Promise<void>;

/** Authenticates, and lets those in who have not called too often. Admins always: somebody must be able to help. */
export function admission(authenticate: Authenticate, quotas: Quotas): Authenticate {
  return async (context) => {
    await authenticate(context);
    if (context.caller === undefined) return;
    const caller = callerOf(context);
    if (isAdmin(caller)) return;
    const courseId = courseCharged(caller, context.requestHeaders.get("ostler-course"));
    quotas.admitRequest({ courseId, ownerId: caller.id });
  };
}
