/** `ostler snapshot export|import`: a snapshot as a file. */
import {
  ImportSnapshotResponseSchema,
  type Snapshot,
  SnapshotService,
} from "../../../proto/gen/ostler/v1/snapshots_pb.js";
import { CommandError } from "../failure.ts";
import { readPieces, writeWhole } from "../files.ts";
import { action } from "../session.ts";
import { leaf } from "../shared.ts";
import { formatSize } from "../units.ts";

export const exportCommand = leaf(
  "export <snapshot> <file>",
  "write a snapshot, with all that it stands on, to a file",
  ["ostler snapshot export s-5678 before.ostler"],
).action(
  action(async (session, [snapshotId, path]) => {
    const snapshots = await session.service(SnapshotService);
    const parts = async function* () {
      const stream = snapshots.exportSnapshot({ snapshotId: snapshotId! }, { signal: session.interruptible() });
      for await (const { data } of stream) yield data;
    };
    const bytes = await writeWhole(path!, parts(), (written) => session.out.progress(formatSize(written)));
    session.out.progress("");
    session.out.result(
      () => ({ file: path!, bytes }),
      () => `${path}: ${formatSize(bytes)}`,
    );
  }),
);

export const importCommand = (show: (snapshot: Snapshot) => string) =>
  leaf("import <file>", "take a snapshot from a file, to fork machines from it; admins only", [
    "S=$(ostler snapshot import before.ostler --quiet)",
    "ostler snapshot fork $S",
  ])
    .option("-q, --quiet", "print the id only")
    .action(
      action<{ quiet?: boolean }>(async (session, [path], options) => {
        const snapshots = await session.service(SnapshotService);
        const requests = async function* () {
          for await (const data of readPieces(path!)) yield { data };
        };
        for await (const answer of snapshots.importSnapshot(requests(), { signal: session.interruptible() })) {
          if (options.quiet) session.out.line(answer.snapshot!.snapshotId);
          else session.out.message(ImportSnapshotResponseSchema, answer, () => show(answer.snapshot!));
          return;
        }
        throw new CommandError(
          "the server took the file and did not answer",
          "look for it with `ostler snapshot list`",
        );
      }),
    );
