/** `ostler store …`: what an operator does with the store of a server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  AdminService,
  type CollectContentResponse,
  CollectContentResponseSchema,
} from "../../../proto/gen/ostler/v1/admin_pb.js";
import { isPostgresqlUrl } from "../../config.ts";
import { CommandError, ExitCode, UsageError } from "../failure.ts";
import { list } from "../output.ts";
import { explainPlace } from "../places.ts";
import { action } from "../session.ts";
import { group, leaf } from "../shared.ts";
import { formatCount, formatSize } from "../units.ts";

/** Goes through everything that is stored. */
export const LONG_MS = 6 * 3_600_000;

const collected = (answer: CollectContentResponse): string =>
  list([
    ["looked at", `${formatCount(answer.examinedBlobs)} pages, nodes, states and programs`],
    ["deleted", `${formatCount(answer.deletedBlobs)} of them, ${formatSize(answer.deletedBytes)}`],
    ["compressed", `${formatCount(answer.compressedBlobs)} of what stays, ${formatSize(answer.savedBytes)} saved`],
    ["snapshots", `${answer.deletedSnapshots} automatic ones deleted`],
    ["machines", `${answer.deletedMachines} of gradings deleted`],
    ["took", `${(answer.durationMs / 1000).toFixed(1)} s`],
    ...(answer.missingBlobs === 0n
      ? []
      : [["damage", `${answer.missingBlobs} pieces of content are missing; see \`ostler fsck\``] as [string, string]]),
    ...(answer.misnamedBlobs === 0n
      ? []
      : [
          ["damage", `${answer.misnamedBlobs} rows of content have no good name; see \`ostler fsck\``] as [
            string,
            string,
          ],
        ]),
  ]);

const collectCommand = leaf("collect", "delete what nobody needs any more, now instead of within the hour", [
  "ostler store collect",
]).action(
  action(async (session) => {
    const deadlineMs = session.options.deadline ?? LONG_MS;
    const answer = await (await session.service(AdminService)).collectContent({}, { deadlineMs });
    session.out.message(CollectContentResponseSchema, answer, () => collected(answer));
    return answer.missingBlobs + answer.misnamedBlobs === 0n ? ExitCode.ok : ExitCode.failed;
  }),
);

const locationOf = (place: string) =>
  isPostgresqlUrl(place) ? { dataDir: "", databaseUrl: place } : { dataDir: place, databaseUrl: "" };

const copyCommand = leaf(
  "copy <from> <to>",
  "copy everything from a data directory into an empty PostgreSQL database, or back; no server may have either",
  ["ostler store copy /var/lib/ostler postgresql://ostler@db/ostler"],
).action(
  action(async (session, [from, to]) => {
    if (isPostgresqlUrl(from!) === isPostgresqlUrl(to!))
      throw new UsageError("one of the two must be a data directory, the other a URL like postgresql://…");
    if (!isPostgresqlUrl(from!) && !existsSync(join(from!, "ostler.db")))
      throw new CommandError(`there is no database in ${from}`, "name the directory that OSTLER_DATA names");
    const { copyStore } = await import("../../store/copy.ts");
    const counts = await copyStore(locationOf(from!), locationOf(to!), (table, rows) =>
      session.out.progress(`${table}: ${formatCount(rows)}`),
    ).catch((error: unknown) => {
      const known = error instanceof Error && ["StoreBusyError", "StoreNotEmptyError"].includes(error.name);
      if (known) throw new CommandError(error.message, "the target must be empty, and no server may run on either");
      return explainPlace(isPostgresqlUrl(from!) ? from! : to!, "one of the two")(error);
    });
    session.out.progress("");
    session.out.result(
      () => ({ rows: Object.fromEntries(counts) }),
      () => list([...counts].map(([table, rows]) => [table, formatCount(rows)])),
    );
  }),
);

export const storeCommand = group("store", "the store of a server", [collectCommand, copyCommand]);
