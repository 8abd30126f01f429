/** Medians and tables for benchmarks. */
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
