/** `ostler machine seek` and `ostler machine compare`: go through what machines did, find where they did otherwise. */
import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Option } from "commander";
import {
  type CompareMachinesResponse,
  CompareMachinesResponseSchema,
  HistoryService,
  type MomentSchema,
  type PageDifference,
  type SeekMachineResponse,
  SeekMachineResponseSchema,
  type StateComparison,
  type TraceComparison,
} from "../../../proto/gen/ostler/v1/history_pb.js";
import type { TraceRecord, TraceValue } from "../../../proto/gen/ostler/v1/traces_pb.js";
import { UsageError } from "../failure.ts";
import { hexDump } from "../hex.ts";
import { action, type Session } from "../session.ts";
import { argument, leaf, machineLine } from "../shared.ts";
import { formatCount, formatHex, formatNs, parseCount } from "../units.ts";
import { type FilterOptions, filterOptions, traceFilter } from "./trace.ts";

interface SeekOptions {
  view?: string;
  entry?: number;
  ephemeral?: boolean;
  quiet?: boolean;
}

export const seekCommand = leaf(
  "seek <machine> <instructions>",
  "look at a machine as it was, or will be without input: makes a view, a machine that is paused there",
  [
    "V=$(ostler machine seek m-1234 5M --quiet)",
    "ostler machine tasks $V; ostler console read $V; ostler memory map $V",
    "ostler machine seek m-1234 4999990 --view $V    # the same view, ten instructions before",
    "ostler machine step $V 10                       # and on again",
  ],
)
  .option("--view <view>", "move this view of the machine instead of making another")
  .addOption(
    new Option(
      "--entry <n>",
      "of the inputs given at this very instruction, only those up to this journal entry",
    ).argParser(parseCount),
  )
  .option("--ephemeral", "the view is deleted when nobody has followed it for a while")
  .option("-q, --quiet", "print the view's id only")
  .action(
    action<SeekOptions>(async (session, [machineId, instructions], options) => {
      const answer = await seek(session, machineId!, argument("instructions", instructions!, parseCount), options);
      if (answer.stopped !== "") session.out.note(`the view stopped before: ${answer.stopped}`);
      if (options.quiet) session.out.line(answer.view!.machineId);
      else session.out.message(SeekMachineResponseSchema, answer, () => machineLine(answer.view!));
    }),
  );

async function seek(
  session: Session,
  machineId: string,
  instructions: number,
  options: SeekOptions,
): Promise<SeekMachineResponse> {
  const histories = await session.service(HistoryService);
  const signal = session.interruptible();
  const request = {
    machineId,
    instructions: BigInt(instructions),
    viewId: options.view ?? "",
    ephemeral: options.ephemeral === true,
    // A connection that breaks must not leave a view behind that nobody knows.
    idempotencyKey: randomUUID(),
    ...(options.entry !== undefined && { journalSequence: BigInt(options.entry) }),
  };
  let last: SeekMachineResponse | undefined;
  try {
    for await (const answer of session.follow(() => histories.seekMachine(request, { signal }), signal)) {
      last = answer;
      if (answer.view !== undefined) break;
      session.out.progress(`${formatCount(answer.progressInstructions)} of ${formatCount(instructions)} instructions`);
    }
  } finally {
    session.out.progress("");
  }
  return last!;
}

interface CompareOptions extends FilterOptions {
  trace?: boolean;
  from?: number;
  times?: boolean;
  limit?: number;
}

/** m-1234, m-1234@5M, m-1234@5M/17. */
export function parseMoment(text: string): MessageInitShape<typeof MomentSchema> {
  const [, machineId = "", instructions, entry] = /^([^@/]+)(?:@([^/]+)(?:\/(.+))?)?$/.exec(text) ?? [];
  if (machineId === "")
    throw new UsageError(`${text}: no moment`, "give machine, machine@instructions or machine@instructions/entry");
  return {
    machineId,
    ...(instructions !== undefined && { instructions: BigInt(argument("moment", instructions, parseCount)) }),
    ...(entry !== undefined && { journalSequence: BigInt(argument("moment", entry, parseCount)) }),
  };
}

export const compareCommand = filterOptions(
  leaf("compare <left> <right>", "show where two machines, or two moments of one, differ first", [
    "ostler machine compare m-1234 m-5678",
    "ostler machine compare m-1234@5M m-1234@6M",
    "ostler machine compare m-1234 m-5678 --trace --filter syscall",
    "ostler machine compare m-1234@5M/17 m-5678@5M   # up to journal entry 17 of those given at that instruction",
  ]),
)
  .option("--trace", "find the first event in which they differ, too (of those that --filter names)")
  .addOption(
    new Option(
      "--from <instructions>",
      "events from this instruction count on (default: where the later one begins)",
    ).argParser(parseCount),
  )
  .option("--times", "events are the same only at the same instruction and time")
  .addOption(new Option("--limit <n>", "list so many differences of each kind (default 20)").argParser(parseCount))
  .action(
    action<CompareOptions>(async (session, [left, right], options) => {
      const histories = await session.service(HistoryService);
      const request = {
        left: parseMoment(left!),
        right: parseMoment(right!),
        limit: options.limit ?? 0,
        trace: options.trace === true,
        filter: traceFilter(options),
        compareTimes: options.times === true,
        ...(options.from !== undefined && { fromInstructions: BigInt(options.from) }),
      };
      const found = await compare(session, histories.compareMachines(request, { signal: session.interruptible() }));
      session.out.message(CompareMachinesResponseSchema, found, () => comparisonText(found));
      return isEqual(found) ? 0 : 1;
    }),
  );

/** All that was found, in one message. */
async function compare(
  session: Session,
  answers: AsyncIterable<CompareMachinesResponse>,
): Promise<CompareMachinesResponse> {
  const found = create(CompareMachinesResponseSchema);
  try {
    for await (const { state, trace, progressInstructions } of answers) {
      if (state !== undefined) found.state = state;
      if (trace !== undefined) found.trace = trace;
      session.out.progress(`${formatCount(progressInstructions)} instructions`);
    }
  } finally {
    session.out.progress("");
  }
  return found;
}

const isEqual = ({ state, trace }: CompareMachinesResponse): boolean =>
  state!.leftRoot === state!.rightRoot && (trace === undefined || trace.equal);

function comparisonText({ state, trace }: CompareMachinesResponse): string {
  const parts = [stateText(state!), ...(trace === undefined ? [] : [traceText(trace)])];
  return parts.join("\n");
}

function stateText(state: StateComparison): string {
  const at = (position: StateComparison["leftPosition"]) =>
    `${formatCount(position?.instructions ?? 0n)} instructions, ${formatNs(position?.timeNs ?? 0n)}`;
  const stand = `left at ${at(state.leftPosition)}; right at ${at(state.rightPosition)}`;
  if (state.leftRoot === state.rightRoot) return `the states are equal (${state.leftRoot.slice(0, 12)}); ${stand}`;
  const differences = state.differences.map(({ path, left, right }) => `  ${path}: ${left ?? "-"} | ${right ?? "-"}`);
  const more = state.truncated ? ["  … and more; raise --limit"] : [];
  const pages = state.pages.map(pageText);
  const unlisted = Number(state.differingPages) - state.pages.length;
  const morePages = unlisted > 0 ? [`  … and ${formatCount(unlisted)} more pages`] : [];
  return [`the states differ; ${stand}`, ...differences, ...more, ...pages, ...morePages].join("\n");
}

function pageText({ page, physicalAddress, offset, left, right }: PageDifference): string {
  const start = physicalAddress ?? BigInt(offset);
  const where = physicalAddress === undefined ? `page ${page}, byte ${offset}` : formatHex(physicalAddress);
  const side = (name: string, bytes: Uint8Array) => hexDump(bytes, start).replace(/^/gm, `    ${name.padEnd(6)}`);
  return [`  memory from ${where}:`, side("left", left), side("right", right)].join("\n");
}

function traceText({ equal, equalEvents, fromInstructions, left, right }: TraceComparison): string {
  const from = `from ${formatCount(fromInstructions)} instructions on`;
  if (equal) return `all ${formatCount(equalEvents)} events ${from} are equal`;
  return [
    `${formatCount(equalEvents)} events ${from} are equal, then:`,
    `  left   ${recordText(left)}`,
    `  right  ${recordText(right)}`,
  ].join("\n");
}

function recordText(record: TraceRecord | undefined): string {
  if (record === undefined) return "no more events";
  const fields = Object.entries(record.fields).map(([name, value]) => `${name}=${valueText(value)}`);
  return `${record.event} task ${record.task} thread ${record.thread} at ${record.instructions}: ${fields.join(" ")}`;
}

function valueText({ value }: TraceValue): string {
  if (value.value instanceof Uint8Array) return JSON.stringify(Buffer.from(value.value).toString("latin1"));
  return value.case === "text" ? JSON.stringify(value.value) : String(value.value);
}
