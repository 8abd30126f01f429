/**
 * `npm run bench [-- name …]`: each benchmark prints one table, with a baseline beside it from the same run.
 * Timings are noisy where others work too: compare ratios, not runs.
 */
import process from "node:process";

const benches: Record<string, () => Promise<{ bench(): Promise<void> }>> = {
  cpu: () => import("./cpu.ts"),
  privileged: () => import("./privileged.ts"),
  kernel: () => import("./kernel.ts"),
  sel4: () => import("./sel4.ts"),
  frames: () => import("./frames.ts"),
  store: () => import("./store.ts"),
  collection: () => import("./collection.ts"),
  rpc: () => import("./rpc.ts"),
  call: () => import("./call.ts"),
  load: () => import("./load.ts"),
  course: () => import("./course.ts"),
  flood: () => import("./flood.ts"),
  snapshot: () => import("./snapshot.ts"),
  trace: () => import("./trace.ts"),
  tracing: () => import("./tracing.ts"),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0 || wanted.includes("--help")) {
  console.error(`usage: npm run bench [-- name …]\nnames: ${Object.keys(benches).join(", ")}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}
for (const name of wanted.length > 0 ? wanted : Object.keys(benches)) {
  const { bench } = await benches[name]!();
  console.log(`\n== ${name}`);
  await bench();
}
process.exit(0);
