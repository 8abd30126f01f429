/** Rounds, medians and tables for benchmarks. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function printTable(rows: readonly Record<string, string | number>[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? "")))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]!.length)));
  for (const row of cells) {
    console.log(
      row.map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!))).join("  "),
    );
  }
}

/** Milliseconds of each of `times` runs. */
export async function timed(times: number, work: (run: number) => Promise<unknown>): Promise<number[]> {
  const results: number[] = [];
  for (let run = 0; run < times; run++) {
    const start = performance.now();
    await work(run);
    results.push(performance.now() - start);
  }
  return results;
}

/** What one of something costs, in nanoseconds; "-": not measured. */
export type Cost = Record<"cost" | "ours (ns)" | "qemu-user (ns)" | "qemu-system (ns)", string>;

export function costRow(cost: string, { ours, user, system }: { ours: number; user?: number; system?: number }): Cost {
  const shown = (ns: number | undefined): string =>
    ns === undefined || Number.isNaN(ns) ? "-" : String(Math.round(ns));
  return { cost, "ours (ns)": shown(ours), "qemu-user (ns)": shown(user), "qemu-system (ns)": shown(system) };
}

/** Milliseconds of each round, by who ran. */
export interface Measured {
  name: string;
  instructions: number;
  moduleBytes: number;
  times: Record<string, number[]>;
}

/** Says what has been measured, on the way to the table. */
export function progress(measured: Measured): Measured {
  const { instructions, times } = measured;
  const speeds = Object.entries(times).map(([who, ms]) => `${who} ${Math.round(instructions / median(ms) / 1000)}`);
  console.error(`${measured.name}: MIPS ${speeds.join(", ")}`);
  return measured;
}

const LEAST_ROUNDS = 3;
const ENOUGH_MS = 40_000;

/**
 * The numbers of the rounds in which `name` is measured, each said on standard error as it begins: at most `most`, and
 * of what takes long fewer, so that a whole table does not take more than some minutes.
 */
export function* rounds(name: string, most: number): Generator<number> {
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  for (let round = 0; round < most && (round < LEAST_ROUNDS || elapsed() < ENOUGH_MS); round++) {
    console.error(`${name}: round ${round + 1} of at most ${most}`);
    yield round;
  }
}
