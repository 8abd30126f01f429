/**
 * What seL4's calls cost: guest instructions and nanoseconds of the host's processor for each, beside two threads that
 * wake each other by futex or send each other a byte through pipes, which is what Linux's side has for that. Rounds are interleaved;
 * what the program takes to prepare is measured in every round, too, and taken off.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
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
  instructions: number;
}

/** Processor time, so that others' work does not count. */
function run(program: ReturnType<typeof fileOf>, args: string[]): Cost {
  const machine = testMachine({ memoryBytes: 16 * 2 ** 20, files: [program] });
  mustApply(machine, startInput(program.path, { arguments: [program.path, ...args] }));
  const start = process.cpuUsage();
  while (machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: Number.MAX_SAFE_INTEGER }).kind === "limit")
    machine.drainOutputs();
  const { user, system } = process.cpuUsage(start);
  const { status } = machine.tasks()[0]!;
  if (status?.kind !== "exited" || status.code !== 0) throw new Error(`${args}: ${JSON.stringify(status)}`);
  return { ns: (user + system) * 1000, instructions: machine.position().instructions };
}

function each(program: ReturnType<typeof fileOf>, name: string, count: number): Cost {
  const all = run(program, [name, String(count)]);
  const none = run(program, [name, "0"]);
  return { ns: (all.ns - none.ns) / count, instructions: (all.instructions - none.instructions) / count };
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
  printTable(
    ways.map(([what], i) => {
      const ns = median(costs[i]!.map((cost) => cost.ns));
      return {
        what,
        "guest instructions": costs[i]![0]!.instructions.toFixed(1),
        ns: Math.round(ns),
        "a second": Math.round(1e9 / ns),
      };
    }),
  );
}
