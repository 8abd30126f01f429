/** `ostler snapshot …`: keep a state, go back to it, continue from it elsewhere. */
import { create } from "@bufbuild/protobuf";
import { Option } from "commander";
import {
  CreateSnapshotResponseSchema,
  DeleteSnapshotResponseSchema,
  ForkMachineResponseSchema,
  GetSnapshotResponseSchema,
  ListSnapshotsResponseSchema,
  RestoreMachineResponseSchema,
  type Snapshot,
  SnapshotService,
} from "../../../proto/gen/ostler/v1/snapshots_pb.js";
import { type Column, list, table } from "../output.ts";
import { action } from "../session.ts";
import { group, leaf, machineLine, type PageOptions, pageOptions, pages } from "../shared.ts";
import { collectPair, formatCount, formatNs, formatSize, formatTime } from "../units.ts";
import { exportCommand, importCommand } from "./snapshot-file.ts";

const columns: readonly Column<Snapshot>[] = [
  { title: "ID", value: (snapshot) => snapshot.snapshotId },
  { title: "MACHINE", value: (snapshot) => snapshot.machineId || "(imported)" },
  { title: "NAME", value: (snapshot) => snapshot.displayName || (snapshot.automatic ? "(automatic)" : "-") },
  { title: "INSTRUCTIONS", value: (snapshot) => formatCount(snapshot.position?.instructions ?? 0n), align: "right" },
  { title: "TIME", value: (snapshot) => formatNs(snapshot.position?.timeNs ?? 0n), align: "right" },
  { title: "ADDED", value: (snapshot) => formatSize(snapshot.newBytes), align: "right" },
  { title: "ROOT", value: (snapshot) => snapshot.rootHash.slice(0, 12) },
  { title: "MADE AT (UTC)", value: (snapshot) => formatTime(snapshot.createdAt) },
];

function snapshotText(snapshot: Snapshot): string {
  return list([
    ["snapshot", snapshot.snapshotId],
    ["name", snapshot.displayName],
    ["machine", snapshot.machineId],
    ["root", snapshot.rootHash],
    ["instructions", String(snapshot.position?.instructions ?? 0n)],
    ["virtual time", formatNs(snapshot.position?.timeNs ?? 0n)],
    ["added", `${formatSize(snapshot.newBytes)} of ${formatSize(snapshot.totalBytes)}`],
    ["made at", `${formatTime(snapshot.createdAt)} UTC`],
  ]);
}

interface NameOptions {
  name?: string;
  label?: Record<string, string>;
  quiet?: boolean;
}

function nameOptions(command: ReturnType<typeof leaf>): ReturnType<typeof leaf> {
  return command
    .option("--name <text>", "display name")
    .addOption(new Option("--label <name=value>", "label; may be repeated").argParser(collectPair))
    .option("-q, --quiet", "print the id only");
}

const createCommand = nameOptions(
  leaf("create <machine>", "keep the machine's whole state", ["S=$(ostler snapshot create m-1234 --quiet)"]),
).action(
  action<NameOptions>(async (session, [machineId], options) => {
    const snapshots = await session.service(SnapshotService);
    const answer = await snapshots.createSnapshot({
      machineId: machineId!,
      displayName: options.name ?? "",
      labels: options.label ?? {},
    });
    if (options.quiet) session.out.line(answer.snapshot!.snapshotId);
    else session.out.message(CreateSnapshotResponseSchema, answer, () => snapshotText(answer.snapshot!));
  }),
);

const listCommand = pageOptions(
  leaf("list [machine]", "list snapshots, oldest first", [
    "ostler snapshot list",
    "ostler snapshot list m-1234 --automatic",
  ]),
)
  .option("--automatic", "also those that the server made")
  .action(
    action<PageOptions & { automatic?: boolean }>(async (session, [machineId], options) => {
      const snapshots = await session.service(SnapshotService);
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await snapshots.listSnapshots({
          ...page,
          machineId: machineId ?? "",
          includeAutomatic: options.automatic === true,
        });
        return { items: answer.snapshots, nextPageToken: answer.nextPageToken };
      });
      const answer = create(ListSnapshotsResponseSchema, { snapshots: items, nextPageToken });
      session.out.message(ListSnapshotsResponseSchema, answer, () =>
        items.length === 0 ? "no snapshots" : table(columns, items),
      );
    }),
  );

const getCommand = leaf("get <snapshot>", "show a snapshot", ["ostler snapshot get s-1234"]).action(
  action(async (session, [snapshotId]) => {
    const answer = await (await session.service(SnapshotService)).getSnapshot({ snapshotId: snapshotId! });
    session.out.message(GetSnapshotResponseSchema, answer, () => snapshotText(answer.snapshot!));
  }),
);

const restoreCommand = leaf(
  "restore <machine> <snapshot>",
  "take a machine back to one of its snapshots; what came after is dropped",
  ["ostler snapshot restore m-1234 s-5678"],
).action(
  action(async (session, [machineId, snapshotId]) => {
    const answer = await (await session.service(SnapshotService)).restoreMachine({
      machineId: machineId!,
      snapshotId: snapshotId!,
    });
    session.out.message(RestoreMachineResponseSchema, answer, () => machineLine(answer.machine!));
  }),
);

const forkCommand = nameOptions(
  leaf("fork <snapshot>", "make a new machine that continues from a snapshot; it is paused", [
    "F=$(ostler snapshot fork s-5678 --quiet)",
    "ostler machine run $F",
  ]),
).action(
  action<NameOptions>(async (session, [snapshotId], options) => {
    const snapshots = await session.service(SnapshotService);
    const answer = await snapshots.forkMachine({
      snapshotId: snapshotId!,
      displayName: options.name ?? "",
      labels: options.label ?? {},
    });
    if (options.quiet) session.out.line(answer.machine!.machineId);
    else session.out.message(ForkMachineResponseSchema, answer, () => machineLine(answer.machine!));
  }),
);

const deleteCommand = leaf("delete <snapshot...>", "delete snapshots", ["ostler snapshot delete s-5678"]).action(
  action(async (session, ids) => {
    const snapshots = await session.service(SnapshotService);
    for (const snapshotId of ids) {
      const answer = await snapshots.deleteSnapshot({ snapshotId });
      session.out.message(DeleteSnapshotResponseSchema, answer, () => `${snapshotId} deleted`);
    }
  }),
);

export const snapshotCommand = group("snapshot", "keep states, go back to them, fork from them", [
  createCommand,
  listCommand,
  getCommand,
  restoreCommand,
  forkCommand,
  exportCommand,
  importCommand(snapshotText),
  deleteCommand,
]);
