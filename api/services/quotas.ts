/** QuotaService: what members of a course may use up, and what they have. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { QuotaKind, type QuotaSchema, type QuotaService } from "../../proto/gen/ostler/v1/quotas_pb.js";
import { MOST_WEIGHT, type QuotaName, SETTING_NAMES, type SettingName, WEIGHT } from "../admission/kinds.ts";
import { chooseCourse, isAdmin } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { invalid, notFound, permissionDenied } from "../errors.ts";
import type { ServiceImplementation } from "../operation.ts";
import { ALL_MEMBERS, EACH_MEMBER, type QuotaHolder } from "../store/types.ts";
import type { Deps } from "./common.ts";
import { countMachines } from "./machines.ts";

const KINDS: Record<SettingName, QuotaKind> = {
  requests: QuotaKind.REQUESTS_PER_SECOND,
  instructions: QuotaKind.INSTRUCTIONS_PER_HOUR,
  traceBytes: QuotaKind.TRACE_BYTES_PER_HOUR,
  running: QuotaKind.RUNNING_MACHINES,
  memory: QuotaKind.MEMORY_BYTES,
  machines: QuotaKind.MACHINES,
  storage: QuotaKind.STORAGE_BYTES,
  weight: QuotaKind.PROCESSOR_WEIGHT,
};

export function quotaService(deps: Deps): ServiceImplementation<typeof QuotaService> {
  const { quotas, store, hosting } = deps;
  const shown = async (holder: QuotaHolder, kind: SettingName): Promise<MessageInitShape<typeof QuotaSchema>> => {
    const { limit, used, own, fullAfterMs } = await quotas.use(holder, kind, (scope) => countMachines(deps, scope));
    return {
      kind: KINDS[kind],
      limit: BigInt(limit),
      used: BigInt(used),
      own,
      ...(fullAfterMs > 0 && { fullAt: timestampFromMs(Date.now() + fullAfterMs) }),
    };
  };
  const allOf = (holder: QuotaHolder) => Promise.all(SETTING_NAMES.map((kind) => shown(holder, kind)));

  return {
    async getQuota(request, context) {
      const caller = callerOf(context);
      const courseId = chooseCourse(caller, request.courseId);
      const userId = request.userId || caller.id;
      if (userId !== caller.id && (await store.courses.member(courseId, userId)) === null)
        throw notFound("member", userId);
      const [user, course] = await Promise.all([allOf({ courseId, userId }), allOf({ courseId, userId: ALL_MEMBERS })]);
      return { courseId, userId, user, course };
    },

    async setQuota({ courseId: given, userId, limits }, context) {
      const caller = callerOf(context);
      const isOfAdmin = isAdmin(caller);
      const courseId = chooseCourse(caller, given);
      if ((await store.courses.get(courseId)) === null) throw notFound("course", courseId);
      if (userId === ALL_MEMBERS && !isOfAdmin)
        throw permissionDenied("Only admins set what all members of a course may use up together.");
      const isMember = userId === ALL_MEMBERS || userId === EACH_MEMBER;
      if (!isMember && (await store.courses.member(courseId, userId)) === null) throw notFound("member", userId);
      const changes = limits.map(({ kind, limit }) => ({
        kind: SETTING_NAMES.find((name) => KINDS[name] === kind)!,
        limit: limit === undefined ? null : Number(limit),
      }));
      changes.forEach(({ kind, limit }, index) => {
        if (changes.findIndex((other) => other.kind === kind) !== index)
          throw invalid(`limits[${index}].kind`, "must not be named twice");
        const field = `limits[${index}].limit`;
        if (kind === WEIGHT) assertWeight(limit, field);
        else if (!isOfAdmin && limit !== null) assertWithin(courseId, kind, limit, field);
      });
      await quotas.set({ courseId, userId }, changes);
      if (changes.some(({ kind }) => kind === WEIGHT)) hosting.reweigh();
      return { courseId };
    },
  };

  /** Staff give away what the course has; where that is not bounded, not more than the server gives everybody. */
  function assertWithin(courseId: string, kind: QuotaName, limit: number, field: string): void {
    const most = quotas.limitOf({ courseId, userId: ALL_MEMBERS }, kind).limit || quotas.defaultOf(kind);
    if (most === 0 || (limit !== 0 && limit <= most)) return;
    throw invalid(field, `must be from 1 to ${most}, which is the most that an admin has allowed here`);
  }
}

/** Staff divide what their course gets as they like. */
function assertWeight(weight: number | null, field: string): void {
  if (weight === null || (weight >= 1 && weight <= MOST_WEIGHT)) return;
  throw invalid(field, `must be from 1 to ${MOST_WEIGHT}; 100 is an ordinary share`);
}
