/** What several commands share: pages, limits, and how a machine is shown. */
import { Command, InvalidArgumentError, Option } from "commander";
import { type Machine, Residency, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { CommandError, UsageError } from "./failure.ts";
import { type Column, list } from "./output.ts";
import type { Session } from "./session.ts";
import { formatCount, formatNs, formatSize, formatTime, parseCount, parseSize } from "./units.ts";

// ---- Commands -------------------------------------------------------------------------------------------------

/** A leaf command with its examples; groups are made with `group`. */
export function leaf(signature: string, summary: string, examples: readonly string[] = []): Command {
  const command = new Command(signature.split(" ")[0]).summary(summary).description(summary);
  const rest = signature.split(" ").slice(1).join(" ");
  if (rest !== "") command.arguments(rest);
  return withExamples(command, examples);
}

export function withExamples(command: Command, examples: readonly string[]): Command {
  if (examples.length === 0) return command;
  return command.addHelpText("after", `\nExamples:\n${examples.map((line) => `  $ ${line}`).join("\n")}`);
}

export function group(
  name: string,
  summary: string,
  leaves: readonly Command[],
  examples: readonly string[] = [],
): Command {
  const command = new Command(name).summary(summary).description(summary).enablePositionalOptions();
  for (const sub of leaves) command.addCommand(sub);
  return withExamples(command, examples);
}

/** Reads an argument; commander names only those of options. */
export function argument<T>(name: string, given: string, parse: (text: string) => T): T {
  try {
    return parse(given);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new UsageError(`<${name}> ${given}: ${error.message}`);
    throw error;
  }
}

// ---- Pages ----------------------------------------------------------------------------------------------------

export interface PageOptions {
  pageSize?: number;
  pageToken?: string;
  all?: boolean;
}

export function pageOptions(command: Command): Command {
  return command
    .addOption(new Option("--page-size <n>", "rows per page").argParser(parseCount))
    .option("--page-token <token>", "the page after an earlier one, by its token")
    .option("--all", "all pages");
}

/** Fetches one page, or all of them; the token of the next page goes to standard error for people. */
export async function pages<Item>(
  session: Session,
  options: PageOptions,
  fetch: (page: { pageSize: number; pageToken: string }) => Promise<{ items: readonly Item[]; nextPageToken: string }>,
): Promise<{ items: Item[]; nextPageToken: string }> {
  const items: Item[] = [];
  let pageToken = options.pageToken ?? "";
  do {
    const page = await fetch({ pageSize: options.pageSize ?? 0, pageToken });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (options.all && pageToken !== "");
  if (pageToken !== "" && !session.out.json) session.out.note(`there is more: --all, or --page-token ${pageToken}`);
  return { items, nextPageToken: pageToken };
}

// ---- Programs -------------------------------------------------------------------------------------------------

const ELF_MAGIC = "\u007fELF";
const EM_RISCV = 243;

/** Refuses before the upload what cannot run, with what to do about it. */
export function checkExecutable(file: string, data: Uint8Array): void {
  const rule = "compile it with: riscv64-linux-gnu-gcc -static -O2 -o prog.elf prog.c";
  const magic = String.fromCharCode(...data.subarray(0, 4));
  if (magic !== ELF_MAGIC) throw new CommandError(`${file}: not an ELF executable`, rule);
  const machine = data[18]! | (data[19]! << 8);
  if (data[4] !== 2 || machine !== EM_RISCV)
    throw new CommandError(`${file}: an executable for another processor, not for 64-bit RISC-V`, rule);
}

export const dateOption = (flags: string, what: string): Option =>
  new Option(flags, what).argParser((text: string) => {
    const date = new Date(text);
    if (Number.isNaN(date.getTime())) throw new UsageError(`${text}: not a date`, "give for example 2027-01-01");
    return date;
  });

export interface LimitOptions {
  instructions?: number;
  memoryLimit?: number;
  outputLimit?: number;
}

export function limitOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--instructions <n>", "kill the program with SIGXCPU beyond this many instructions").argParser(
        parseCount,
      ),
    )
    .addOption(new Option("--memory-limit <size>", "memory that the program may use").argParser(parseSize))
    .addOption(
      new Option("--output-limit <size>", "kill the program with SIGXFSZ beyond this much output").argParser(parseSize),
    );
}

export const limitsOf = (options: LimitOptions) => ({
  instructions: BigInt(options.instructions ?? 0),
  memoryBytes: BigInt(options.memoryLimit ?? 0),
  outputBytes: BigInt(options.outputLimit ?? 0),
});

// ---- Machines -------------------------------------------------------------------------------------------------

/** The name of an enum value in small letters: RunState.PAUSED → paused. */
export const enumName = (names: Record<number, string>, value: number): string =>
  (names[value] ?? String(value)).toLowerCase();
export const stateOf = (machine: Machine): string => enumName(RunState, machine.runState);

export const machineColumns: readonly Column<Machine>[] = [
  { title: "ID", value: (machine) => machine.machineId },
  { title: "NAME", value: (machine) => machine.displayName || "-" },
  { title: "STATE", value: stateOf },
  { title: "KEPT IN", value: (machine) => (machine.residency === Residency.ACTIVE ? "memory" : "database") },
  { title: "INSTRUCTIONS", value: (machine) => formatCount(machine.position?.instructions ?? 0n), align: "right" },
  { title: "TIME", value: (machine) => formatNs(machine.position?.timeNs ?? 0n), align: "right" },
  { title: "CONSOLE", value: (machine) => formatSize(machine.consoleLength), align: "right" },
  { title: "TASKS", value: (machine) => String(machine.taskCount), align: "right" },
  { title: "MADE AT (UTC)", value: (machine) => formatTime(machine.createdAt) },
];

export function machineText(machine: Machine): string {
  const { spec, position } = machine;
  return list([
    ["machine", machine.machineId],
    ["name", machine.displayName],
    ["owner", machine.ownerId],
    [
      "labels",
      Object.entries(machine.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(" "),
    ],
    ["state", `${stateOf(machine)}${machine.runReason === "" ? "" : ` (${machine.runReason})`}`],
    ["kept in", machine.residency === Residency.ACTIVE ? "memory" : "database"],
    ["instructions", `${position?.instructions ?? 0n}`],
    ["virtual time", `${formatNs(position?.timeNs ?? 0n)} (${position?.timeNs ?? 0n} ns)`],
    ["memory", formatSize(spec?.memoryBytes || 64 * 1024 * 1024)],
    ["files", (spec?.files ?? []).map((file) => `${file.path} (${formatSize(file.size)})`).join(", ")],
    ["console", formatSize(machine.consoleLength)],
    ["tasks", String(machine.taskCount)],
    ["journal", `${machine.journalSequence} entries`],
    ["trace", `${machine.traceSequence} events`],
    ["origin", machine.originSnapshotId],
    ["made at", `${formatTime(machine.createdAt)} UTC`],
  ]);
}

/** One line for commands that change a machine's state. */
export const machineLine = (machine: Machine): string =>
  `${machine.machineId} ${stateOf(machine)} at ${machine.position?.instructions ?? 0n} instructions${machine.runReason === "" ? "" : ` (${machine.runReason})`}`;
