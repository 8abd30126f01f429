/** `ostler store …`: what an operator does with the store of a running server. */
import {
  AdminService,
  type CollectContentResponse,
  CollectContentResponseSchema,
} from "../../../proto/gen/ostler/v1/admin_pb.js";
import { ExitCode } from "../failure.ts";
import { list } from "../output.ts";
import { action } from "../session.ts";
import { group, leaf } from "../shared.ts";
import { formatCount, formatSize } from "../units.ts";

/** Goes through everything that is stored. */
export const LONG_MS = 6 * 3_600_000;

const collected = (answer: CollectContentResponse): string =>
  list([
    ["looked at", `${formatCount(answer.examinedBlobs)} pages, nodes, states and programs`],
    ["deleted", `${formatCount(answer.deletedBlobs)} of them, ${formatSize(answer.deletedBytes)}`],
    ["snapshots", `${answer.deletedSnapshots} automatic ones deleted`],
    ["machines", `${answer.deletedMachines} of gradings deleted`],
    ["took", `${(answer.durationMs / 1000).toFixed(1)} s`],
    ...(answer.missingBlobs === 0n
      ? []
      : [["damage", `${answer.missingBlobs} pieces of content are missing; see \`ostler fsck\``] as [string, string]]),
  ]);

const collectCommand = leaf("collect", "delete what nobody needs any more, now instead of within the hour", [
  "ostler store collect",
]).action(
  action(async (session) => {
    const deadlineMs = session.options.deadline ?? LONG_MS;
    const answer = await (await session.service(AdminService)).collectContent({}, { deadlineMs });
    session.out.message(CollectContentResponseSchema, answer, () => collected(answer));
    return answer.missingBlobs === 0n ? ExitCode.ok : ExitCode.failed;
  }),
);

export const storeCommand = group("store", "the store of a running server", [collectCommand]);
