/**
 * What seL4's calls cost: guest instructions, cycles of the usual caches, and nanoseconds of the host's processor for
 * each, beside two threads that wake each other by futex or send each other a byte through pipes, which is what Linux's
 * side has for that. Rounds are interleaved; what the program takes to prepare is measured in every round, too, and
 * taken off. Instructions and cycles are the same in every round. The kernel runs beside the harts: what it does costs
 * no instructions, and leaves no trace in caches.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { defaultTiming, type TimingConfig } from "../../kernel/hardware/cache/model.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, mustApply, startInput, testMachine } from "../support/machine.ts";
import { median, printTable } from "./table.ts";

const ROUNDS = 7;

/** What is done, how it is called in the program, how often. */
const ways: [what: string, name: string, count: number][] = [
  ["futex: there and back, two Linux threads", "futex", 40_000],
  ["pipe: there and back, two Linux threads", "pipe", 40_000],
  ["call and reply, one address space", "together", 40_000],
  ["call and reply, two address spaces", "apart", 40_000],
  ["signal, 1 level of CNodes", "1", 100_000],
  ["signal, 4 levels of CNodes", "4", 100_000],
  ["retype to an endpoint, and revoke", "retype", 51_200],
  ["the same, 256 at once", "retypes", 102_400],
  ["mint, and revoke", "mint", 51_200],
];

interface Cost {
  ns: number;
  /** Of a machine with modelled timing. */
  cycles: number;
  instructions: number;
}

/** Processor time, so that others' work does not count. */
function run(program: ReturnType<typeof fileOf>, args: string[], timing?: TimingConfig): Cost {
  const machine = testMachine({ memoryBytes: 16 * 2 ** 20, files: [program], ...(timing && { timing }) });
  mustApply(machine, startInput(program.path, { arguments: [program.path, ...args] }));
  const start = process.cpuUsage();
  while (machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: Number.MAX_SAFE_INTEGER }).kind === "limit")
    machine.drainOutputs();
  const { user, system } = process.cpuUsage(start);
  const { status } = machine.tasks()[0]!;
  if (status?.kind !== "exited" || status.code !== 0) throw new Error(`${args}: ${JSON.stringify(status)}`);
  const { instructions } = machine.position();
  return { ns: (user + system) * 1000, instructions, cycles: instructions + (machine.timing()?.stallCycles ?? 0) };
}

function each(program: ReturnType<typeof fileOf>, name: string, count: number, timing?: TimingConfig): Cost {
  const all = run(program, [name, String(count)], timing);
  const none = run(program, [name, "0"], timing);
  const per = (of: (cost: Cost) => number): number => (of(all) - of(none)) / count;
  return {
    ns: per(({ ns }) => ns),
    instructions: per((cost) => cost.instructions),
    cycles: per(({ cycles }) => cycles),
  };
}

export async function bench(): Promise<void> {
  if (!hasCompiler) {
    console.log("sel4: skipped, no riscv64-linux-gnu-gcc");
    return;
  }
  const include = fileURLToPath(new URL("../../kernel/user/include", import.meta.url));
  const program = fileOf("/bin/sel4", guest("../bench/guest/sel4.c", "-std=gnu11", "-I", include));
  const costs = ways.map((): Cost[] => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, [, name, count]] of ways.entries()) {
      const cost = each(program, name, count);
      if (round > 0) costs[i]!.push(cost); // the engine has to compile first
    }
  const timed = ways.map(([, name, count]) => each(program, name, count, defaultTiming()));
  printTable(
    ways.map(([what], i) => {
      const ns = median(costs[i]!.map((cost) => cost.ns));
      return {
        what,
        "guest instructions": costs[i]![0]!.instructions.toFixed(1),
        cycles: timed[i]!.cycles.toFixed(1),
        ns: Math.round(ns),
        "a second": Math.round(1e9 / ns),
      };
    }),
  );
}
