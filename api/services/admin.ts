/** AdminService: what an operator does with the store of a running server. */
import type { AdminService } from "../../proto/gen/ostler/v1/admin_pb.js";
import { callerOf } from "../auth/identity.ts";
import type { ServiceImplementation } from "../operation.ts";
import { type Deps, toTimestamp } from "./common.ts";
import { Door } from "./door.ts";
import type { Housekeeping } from "./housekeeping.ts";

export function adminService(
  { store }: Pick<Deps, "store">,
  housekeeping: Housekeeping,
): ServiceImplementation<typeof AdminService> {
  // Each needs as much room on the disk as the database.
  const backups = new Door({ reason: "BACKUP_UNDER_WAY", what: "backups", most: 1, mostPerUser: 1 });
  return {
    async *backUpStore(_request, context) {
      const data = async function* () {
        for await (const piece of store.backUp(context.signal)) yield { data: piece };
      };
      yield* backups.within(callerOf(context).id, data);
    },

    async collectContent() {
      const report = await housekeeping.run();
      return {
        startedAt: toTimestamp(report.startedAt),
        durationMs: report.durationMs,
        examinedBlobs: BigInt(report.examinedBlobs),
        deletedBlobs: BigInt(report.deletedBlobs),
        deletedBytes: BigInt(report.deletedBytes),
        deletedSnapshots: report.deletedSnapshots,
        deletedMachines: report.deletedMachines,
        missingBlobs: BigInt(report.missingBlobs),
        misnamedBlobs: BigInt(report.misnamedBlobs),
        compressedBlobs: BigInt(report.compressedBlobs),
        savedBytes: BigInt(report.savedBytes),
      };
    },

    async *checkStore({ share }, context) {
      let findings = 0n;
      for await (const event of housekeeping.check(share, context.signal)) {
        if ("problem" in event) {
          findings += 1n;
          yield { event: { case: "finding", value: event } };
        } else {
          const { machines, snapshots, blobs, verifiedBlobs } = event;
          const figures = {
            machines: BigInt(machines),
            snapshots: BigInt(snapshots),
            blobs: BigInt(blobs),
            verifiedBlobs: BigInt(verifiedBlobs),
            findings,
          };
          yield { event: { case: "figures", value: figures } };
        }
      }
    },
  };
}
