/** Snapshot, fork and wake of a 64 MiB machine; beside each the time of copying and hashing all 64 MiB. */
import { createHash } from "node:crypto";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { compileC } from "../support/guest.ts";
import { startServer } from "../support/server.ts";
import { median, printTable, timed } from "./table.ts";

/** Fills `argv[1]` MiB with data that differs in every page, then dirties a little at each line that it reads. */
const filler = `#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) { size_t n = (size_t)atoi(argv[1]) << 20; unsigned *p = malloc(n), x = 1; char line[64];
  for (size_t i = 0; i < n / 4; i++) p[i] = x = x * 1664525 + 1013904223;
  printf("full\\n"); fflush(stdout);
  while (fgets(line, sizeof line, stdin)) { for (size_t i = 0; i < 16; i++) p[i * 1024]++; printf("dirtied\\n"); fflush(stdout); } }`;
const RUNS = 7;
const FILLED_MIB = 40;

export async function bench(): Promise<void> {
  const server = await startServer();
  const client = server.client("grpc");
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "filler", data: compileC(filler) });
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { machineId } = machine!;
  const until = async (id: string, consoleContains: string, consoleOffset = 0n) => {
    for await (const _ of client.stream(MachineService, "waitMachine", {
      machineId: id,
      consoleContains,
      consoleOffset,
      timeoutMs: 60_000,
    }));
  };
  await client.call(MachineService, "startProgram", {
    machineId,
    program: { case: "programHash", value: program!.programHash },
    arguments: ["filler", String(FILLED_MIB)],
    run: true,
  });
  await until(machineId, "full");
  const snapshot = async () => (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!;
  const first = await timed(1, snapshot);
  const changed: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const { consoleLength } = await client.call(ConsoleService, "writeConsole", {
      machineId,
      data: Buffer.from("go\n"),
    });
    await until(machineId, "dirtied", consoleLength);
    changed.push(...(await timed(1, snapshot)));
  }
  const still = await timed(RUNS, snapshot);
  const { snapshotId } = await snapshot();
  const forks: string[] = [];
  const fork = await timed(RUNS, async () => {
    forks.push((await client.call(SnapshotService, "forkMachine", { snapshotId })).machine!.machineId);
  });
  const wake = await timed(RUNS, (run) => client.call(MachineService, "runMachine", { machineId: forks[run]! }));
  const dirty = async (run: number) => {
    const { consoleLength } = await client.call(ConsoleService, "writeConsole", {
      machineId: forks[run]!,
      data: Buffer.from("go\n"),
    });
    await until(forks[run]!, "dirtied", consoleLength);
  };
  const use = await timed(RUNS, dirty);
  for (const id of forks) await client.call(MachineService, "hibernateMachine", { machineId: id });
  const wakeAgain = await timed(RUNS, (run) => client.call(MachineService, "runMachine", { machineId: forks[run]! }));
  const useAgain = await timed(RUNS, dirty);
  const ram = new Uint8Array(64 * 1024 * 1024).fill(7);
  const copy = median(await timed(RUNS, async () => createHash("sha256").update(ram.slice()).digest()));
  const row = (what: string, ms: number) => ({
    what,
    "ms (median)": ms.toFixed(1),
    "of copy+hash of 64 MiB": (ms / copy).toFixed(2),
  });
  printTable([
    row(`first snapshot, ${FILLED_MIB} MiB of data`, median(first)),
    row("snapshot after 16 dirty pages and some more", median(changed)),
    row("snapshot with nothing changed", median(still)),
    row("fork", median(fork)),
    row("wake a fork (tree, no pages)", median(wake)),
    row("first use of a woken fork (pages on demand)", median(use)),
    row("wake it again, with the pages that it used", median(wakeAgain)),
    row("its next use", median(useAgain)),
    row("copy + SHA-256 of 64 MiB (baseline)", copy),
  ]);
  await server.stop();
}
