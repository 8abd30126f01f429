/** `ostler backup` and `ostler restore`: all that is stored, as a file. */
import { AdminService } from "../../../proto/gen/ostler/v1/admin_pb.js";
import { CommandError } from "../failure.ts";
import { writeWhole } from "../files.ts";
import { explainPlace } from "../places.ts";
import { action } from "../session.ts";
import { leaf } from "../shared.ts";
import { formatSize } from "../units.ts";

export const backupCommand = leaf(
  "backup <file>",
  "write all that is stored, as it is now, to a file; the server goes on working",
  ["ostler backup /backups/ostler-$(date +%F).db"],
).action(
  action(async (session, [path]) => {
    const admin = await session.service(AdminService);
    const parts = async function* () {
      const stream = admin.backUpStore({}, { signal: session.interruptible() });
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

export const restoreCommand = leaf(
  "restore <file> <directory>",
  "make a data directory from a backup; start a server on it then",
  ["ostler restore /backups/ostler-2027-01-31.db /var/lib/ostler", "ostler fsck /var/lib/ostler"],
).action(
  action(async (session, [file, directory]) => {
    const { restoreBackup } = await import("../../store/sqlite/restore.ts");
    await restoreBackup(file!, directory!).catch((error: unknown) => {
      if (error instanceof Error && error.name === "RestoreError") throw new CommandError(error.message);
      return explainPlace(directory!)(error);
    });
    session.out.result(
      () => ({ directory: directory! }),
      () => `${directory}: restored; users' keys are those of the backup, a file admin.key is not part of it`,
    );
  }),
);
