/** Replays a machine's journal from nothing, in one piece, without a server: what an undisturbed run reaches. */
import { compileCpu } from "../../api/hosting/cpu.ts";
import { ContentCache } from "../../api/hosting/worker/content.ts";
import { Replay } from "../../api/hosting/worker/replay.ts";
import { ResidentFactory } from "../../api/hosting/worker/resident.ts";
import type { Hash, MachineRow, Store } from "../../api/store/types.ts";
import type { MachineConfig } from "../../kernel/index.ts";

const cpu = compileCpu();

/** The root hash at the machine's last position. */
export async function replayRoot(store: Store, row: MachineRow, config: MachineConfig): Promise<string> {
  const rows = await store.journal.read(row.id, 0, row.lastSequence, 1_000_000);
  // The kernel asks for content synchronously; here everything that any file may name is fetched beforehand.
  const programs = await store.programs.list({ ownerId: null, pageSize: 500, pageToken: "" });
  const blobs = await store.blobs.get(programs.items.map((program) => program.hash));
  const fetcher = {
    now: (hashes: readonly Hash[]) => hashes.map((hash) => blobs.get(hash) ?? null),
    later: async (hashes: readonly Hash[]) => hashes.map((hash) => blobs.get(hash) ?? null),
  };
  const factory = new ResidentFactory(cpu, new ContentCache(fetcher, 64 * 1024 * 1024));
  const route = {
    origin: { kind: "config", config } as const,
    sequence: 0,
    entries: rows.map(({ sequence, at, payload }) => ({ sequence, at, payload })),
    end: { kind: "position", position: row.reached } as const,
  };
  const resident = await factory.create(route.origin, 0);
  const replay = new Replay(resident, route);
  while (replay.step(10_000_000).kind === "more") resident.mark();
  resident.mark();
  return resident.capture().root;
}
