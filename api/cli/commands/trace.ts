/** `ostler trace …`: what a machine does, live; what it did, by running it again. */
import { finished } from "node:stream/promises";
import { Option } from "commander";
import { MachineService } from "../../../proto/gen/ostler/v1/machines_pb.js";
import {
  FollowTraceResponseSchema,
  type GetTraceCatalogueResponse,
  GetTraceCatalogueResponseSchema,
  QueryTraceResponseSchema,
  TraceEncoding,
  TraceFormat,
  TraceService,
} from "../../../proto/gen/ostler/v1/traces_pb.js";
import { openOutput } from "../failure.ts";
import { messageJson, table } from "../output.ts";
import { action, type Session } from "../session.ts";
import { group, leaf } from "../shared.ts";
import { collect, formatCount, formatSize, parseCount, parseTask } from "../units.ts";

interface Filter {
  categories: string[];
  tasks: number[];
  expression: string;
}

export interface FilterOptions {
  filter?: string;
  task?: string[];
  expression?: string;
}

/**
 * "syscall,fault" names categories; anything that is no such list is an expression over event, category, task,
 * thread, time_ns, instructions, sequence and fields.
 */
export function traceFilter(options: FilterOptions): Filter {
  const given = options.filter ?? "";
  const isList = /^[a-z]+(,[a-z]+)*$/.test(given) || given === "" || given === "all";
  const expressions = [...(isList ? [] : [given]), ...(options.expression === undefined ? [] : [options.expression])];
  return {
    categories: isList && given !== "" && given !== "all" ? given.split(",") : [],
    tasks: (options.task ?? []).map(parseTask),
    expression:
      expressions.length > 1 ? expressions.map((expression) => `(${expression})`).join(" && ") : (expressions[0] ?? ""),
  };
}

export function filterOptions(command: ReturnType<typeof leaf>): ReturnType<typeof leaf> {
  return command
    .option("--filter <filter>", "categories (syscall,fault), or an expression; see `ostler trace catalogue`")
    .option("--expression <cel>", 'only events for which this holds, for example: fields.name == "write"')
    .addOption(new Option("--task <task>", "only events of this task; may be repeated").argParser(collect));
}

export interface FollowTrace {
  filter: Filter;
  /** Undefined: from the present. */
  after: bigint | undefined;
  untilTask: number;
  encoding: TraceEncoding;
}

/** Events as they happen, over losses of the connection; a gap for a slow reader is filled by asking again. */
export async function* followTrace(session: Session, machineId: string, wanted: FollowTrace, signal: AbortSignal) {
  const traces = await session.service(TraceService);
  let after = wanted.after;
  const open = () =>
    traces.followTrace(
      {
        machineId,
        filter: wanted.filter,
        encoding: wanted.encoding,
        untilTaskExited: wanted.untilTask,
        ...(after !== undefined && { afterSequence: after }),
      },
      { signal },
    );
  for await (const answer of session.follow(open, signal)) {
    after = answer.sequence;
    yield answer;
  }
}

const catalogueCommand = leaf("catalogue", "list the events that a trace can hold, with their categories and fields", [
  "ostler trace catalogue",
]).action(
  action(async (session) => {
    const answer = await (await session.service(TraceService)).getTraceCatalogue({});
    session.out.message(GetTraceCatalogueResponseSchema, answer, () => catalogueText(answer));
  }),
);

function catalogueText(answer: GetTraceCatalogueResponse): string {
  const events = table(
    [
      { title: "CATEGORY", value: (event) => event.category },
      { title: "EVENT", value: (event) => event.name },
      { title: "FIELDS", value: (event) => event.fields.map(({ name, kind }) => `${name}: ${kind}`).join(", ") },
      { title: "WHAT", value: (event) => event.brief },
    ],
    answer.events,
  );
  return `categories: ${answer.categories.join(", ")}\n\n${events}`;
}

interface FollowOptions extends FilterOptions {
  after?: number;
  fromStart?: boolean;
  untilTask?: number;
}

const followCommand = filterOptions(
  leaf("follow <machine>", "print events as they happen; goes on when the server was away", [
    "ostler trace follow m-1234 --filter syscall,fault",
    "ostler trace follow m-1234 --from-start --until-task 1",
    'ostler trace follow m-1234 --filter \'event == "syscall.exit" && fields.name == "write"\' --json',
  ]),
)
  .addOption(
    new Option("--after <sequence>", "events after this sequence number, also of the past").argParser(parseCount),
  )
  .option("--from-start", "all of the machine's past first")
  .addOption(new Option("--until-task <task>", "until this task has ended").argParser(parseTask))
  .action(
    action<FollowOptions>(async (session, [machineId], options) => {
      await (await session.service(MachineService)).getMachine({ machineId: machineId! });
      const after = options.fromStart ? 0n : options.after === undefined ? undefined : BigInt(options.after);
      const encoding = session.out.json ? TraceEncoding.UNSPECIFIED : TraceEncoding.TEXT;
      const wanted = { filter: traceFilter(options), after, untilTask: options.untilTask ?? 0, encoding };
      for await (const answer of followTrace(session, machineId!, wanted, session.interruptible())) {
        if (session.out.json) session.out.record(messageJson(FollowTraceResponseSchema, answer));
        else await printText(session, answer.text);
        if (answer.gap !== undefined)
          session.out.note(`events ${answer.gap.firstSequence} to ${answer.gap.lastSequence} were too fast to show`);
      }
    }),
  );

async function printText(session: Session, text: string): Promise<void> {
  if (text !== "") await session.out.bytes(new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`));
}

interface RangeOptions extends FilterOptions {
  from?: number;
  to?: number;
}

function rangeOptions(command: ReturnType<typeof leaf>): ReturnType<typeof leaf> {
  return filterOptions(command)
    .addOption(new Option("--from <instructions>", "from this instruction count on").argParser(parseCount))
    .addOption(
      new Option("--to <instructions>", "up to this instruction count (default: the present)").argParser(parseCount),
    );
}

const range = (options: RangeOptions) => ({
  fromInstructions: BigInt(options.from ?? 0),
  toInstructions: BigInt(options.to ?? 0),
});

const queryCommand = rangeOptions(
  leaf("query <machine>", "print events of the past, by running it again", [
    "ostler trace query m-1234 --filter syscall",
    "ostler trace query m-1234 --from 1M --to 2M --filter fault --limit 100",
  ]),
)
  .addOption(new Option("--limit <n>", "at most so many events (default 10000)").argParser(parseCount))
  .action(
    action<RangeOptions & { limit?: number }>(async (session, [machineId], options) => {
      const traces = await session.service(TraceService);
      const encoding = session.out.json ? TraceEncoding.UNSPECIFIED : TraceEncoding.TEXT;
      const request = {
        machineId: machineId!,
        filter: traceFilter(options),
        encoding,
        ...range(options),
        limit: options.limit ?? 0,
      };
      for await (const answer of traces.queryTrace(request, { signal: session.interruptible() })) {
        if (session.out.json) session.out.record(messageJson(QueryTraceResponseSchema, answer));
        else await printText(session, answer.text);
        if (answer.truncated && !session.out.json) session.out.note("there is more; raise --limit or narrow --filter");
      }
    }),
  );

const FORMATS = { text: TraceFormat.TEXT, perfetto: TraceFormat.PERFETTO, chrome: TraceFormat.CHROME_JSON } as const;

interface ExportOptions extends RangeOptions {
  format: keyof typeof FORMATS;
  output?: string;
}

const exportCommand = rangeOptions(
  leaf("export <machine>", "write the past to a file: strace-like text, Perfetto (ui.perfetto.dev) or Chrome JSON", [
    "ostler trace export m-1234 --format perfetto -o run.pftrace",
    "ostler trace export m-1234 --filter syscall > run.txt",
  ]),
)
  .addOption(new Option("--format <format>", "of the file").choices(Object.keys(FORMATS)).default("text"))
  .option("-o, --output <file>", "file to write (default, and -: standard output)")
  .action(
    action<ExportOptions>(async (session, [machineId], options) => {
      const traces = await session.service(TraceService);
      const request = {
        machineId: machineId!,
        filter: traceFilter(options),
        format: FORMATS[options.format],
        ...range(options),
      };
      const file =
        options.output === undefined || options.output === "-" ? undefined : await openOutput(options.output);
      let bytes = 0;
      for await (const { data, progressInstructions } of traces.exportTrace(request, {
        signal: session.interruptible(),
      })) {
        bytes += data.length;
        if (file === undefined) await session.out.bytes(data);
        else if (!file.write(data)) await new Promise<void>((resolve) => file.once("drain", () => resolve()));
        if (file !== undefined)
          session.out.progress(`${formatCount(progressInstructions)} instructions, ${formatSize(bytes)}`);
      }
      if (file === undefined) return;
      session.out.progress("");
      file.end();
      await finished(file);
      session.out.result(
        () => ({ file: options.output!, bytes }),
        () => `${options.output}: ${formatSize(bytes)}`,
      );
    }),
  );

export const traceCommand = group("trace", "what a machine does, and what it did", [
  followCommand,
  queryCommand,
  exportCommand,
  catalogueCommand,
]);
