/** `ostler machine …`: create, look at, run and end machines. */

import { create, fromJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError, Option } from "commander";
import {
  CommitPolicy,
  CreateMachineResponseSchema,
  DeleteMachineResponseSchema,
  FrameAllocator,
  GetMachineResponseSchema,
  HibernateMachineResponseSchema,
  InitProgramSchema,
  ListMachinesResponseSchema,
  type Machine,
  MachineService,
  MachineSpecSchema,
  MemoryRangeKind,
  PauseMachineResponseSchema,
  type PhysicalMemorySpec,
  PhysicalMemorySpecSchema,
  RunMachineResponseSchema,
  RunState,
  type SetAsideMemory,
  SetAsideMemorySchema,
  StepMachineResponseSchema,
  ThawMachineResponseSchema,
  TimingSpecSchema,
} from "../../../proto/gen/ostler/v1/machines_pb.js";
import { CommandError, readInput, UsageError } from "../failure.ts";
import { table } from "../output.ts";
import { action, type Session } from "../session.ts";
import {
  argument,
  enumName,
  group,
  leaf,
  machineColumns,
  machineLine,
  machineText,
  type PageOptions,
  pageOptions,
  pages,
} from "../shared.ts";
import { collect, collectPair, parseCount, parseDurationNs, parseSize } from "../units.ts";
import { upload, uploadArchive } from "../uploads.ts";
import { type BareOptions, bareBoot, bareOptions } from "./bare.ts";
import { compareCommand, seekCommand } from "./history.ts";
import { killCommand, startCommand, taskCommand, tasksCommand } from "./task.ts";
import { timingCommand } from "./timing.ts";
import { waitCommand } from "./wait.ts";

interface CreateOptions extends BareOptions {
  memory?: number;
  name?: string;
  label?: Record<string, string>;
  seed?: number;
  allocator?: string;
  setAside?: SetAsideMemory[];
  dma?: number;
  overcommit?: boolean;
  quantum?: number;
  epoch?: string;
  root?: string;
  init?: string | true;
  hostname?: string;
  env?: string[];
  file?: string[];
  spec?: string;
  timing?: boolean;
  translate?: boolean;
  ephemeral?: boolean;
  quiet?: boolean;
}

const ALLOCATORS = new Map([
  ["bitmap", FrameAllocator.BITMAP],
  ["free-list", FrameAllocator.FREE_LIST],
  ["buddy", FrameAllocator.BUDDY],
]);
const SET_ASIDE_KINDS = new Map([
  ["reserved", MemoryRangeKind.RESERVED],
  ["firmware", MemoryRangeKind.FIRMWARE],
  ["kernel", MemoryRangeKind.KERNEL],
  ["persistent", MemoryRangeKind.PERSISTENT],
]);

/** firmware=1M, persistent=2M@end. */
function parseSetAside(text: string, earlier: SetAsideMemory[] = []): SetAsideMemory[] {
  const [, name = "", size = "", end] = /^([a-z]+)=([^@]+)(@end)?$/.exec(text) ?? [];
  const kind = SET_ASIDE_KINDS.get(name);
  if (kind === undefined)
    throw new InvalidArgumentError("Give kind=size or kind=size@end, for example firmware=1M or persistent=2M@end.");
  const part = create(SetAsideMemorySchema, { kind, bytes: BigInt(parseSize(size)), atEnd: end !== undefined });
  return [...earlier, part];
}

/** What the options say over what the spec's file said; nothing when neither says anything. */
function physicalMemory(
  given: PhysicalMemorySpec | undefined,
  { allocator, setAside, dma, overcommit }: CreateOptions,
) {
  if ([allocator, setAside, dma, overcommit].every((option) => option === undefined)) return given;
  const physical = given ?? create(PhysicalMemorySpecSchema);
  if (allocator !== undefined) physical.allocator = ALLOCATORS.get(allocator)!;
  if (setAside !== undefined) physical.setAside = setAside;
  if (dma !== undefined) physical.dmaBytes = BigInt(dma);
  if (overcommit !== undefined) physical.commit = CommitPolicy.OVERCOMMIT;
  return physical;
}

/** Options of whatever creates a machine. */
function specOptions(command: ReturnType<typeof leaf>): ReturnType<typeof leaf> {
  return bareOptions(command)
    .addOption(new Option("--memory <size>", "RAM, for example 64M (the default)").argParser(parseSize))
    .addOption(
      new Option("--allocator <kind>", "what gives out the frames of RAM (default bitmap)").choices([
        ...ALLOCATORS.keys(),
      ]),
    )
    .addOption(
      new Option(
        "--set-aside <kind=size[@end]>",
        "part of RAM that is reserved, firmware, kernel or persistent; may be repeated",
      ).argParser(parseSetAside),
    )
    .addOption(new Option("--dma <size>", "so much from RAM's start is the zone dma").argParser(parseSize))
    .option("--overcommit", "promise programs more memory than there is; who uses most is killed when none is left")
    .option(
      "--timing",
      "model caches and TLBs and count cycles; sizes and latencies come from --spec, or are usual ones",
    )
    .option("--no-translate", "interpret hot code, too, for comparison: the same results, only slower")
    .option("--name <text>", "display name")
    .addOption(new Option("--label <name=value>", "label; may be repeated").argParser(collectPair))
    .addOption(new Option("--seed <n>", "seed of all randomness in the machine (default 0)").argParser(parseCount))
    .addOption(
      new Option("--quantum <n>", "round-robin quantum in instructions (default 100000)").argParser(parseCount),
    )
    .option("--epoch <date>", "what the machine's clock shows at the start (default 2026-01-01T00:00:00Z)")
    .option("--hostname <name>", "name that the machine has for its programs")
    .addOption(new Option("--env <NAME=value>", "environment of its programs; may be repeated").argParser(collect))
    .addOption(
      new Option("--file </path=local>", "a local file that its programs can open; may be repeated").argParser(collect),
    )
    .option(
      "--init [path]",
      "first program, with the console as its terminal; without a path, where Linux looks for one",
    )
    .option("--root <file.tar>", "tar archive, plain or compressed by gzip, that the root file system begins as")
    .option("--spec <file.json>", "MachineSpec as JSON; the options above go over it");
}

export async function createMachine(session: Session, options: CreateOptions): Promise<Machine> {
  const spec = options.spec === undefined ? create(MachineSpecSchema) : readSpec(options.spec);
  if (options.memory !== undefined) spec.memoryBytes = BigInt(options.memory);
  spec.physicalMemory = physicalMemory(spec.physicalMemory, options);
  const bare = await bareBoot(session, spec.bare, options);
  if (bare !== undefined) spec.bare = bare;
  else if (options.harts !== undefined) spec.harts = options.harts;
  if (options.init !== undefined)
    spec.init = create(InitProgramSchema, { path: options.init === true ? "" : options.init });
  if (options.root !== undefined) spec.rootHash = (await uploadArchive(session, options.root)).hash;
  if (options.translate === false) spec.noTranslation = true;
  if (options.timing) spec.timing ??= create(TimingSpecSchema);
  if (options.seed !== undefined) spec.seed = BigInt(options.seed);
  if (options.quantum !== undefined) spec.quantumInstructions = options.quantum;
  if (options.epoch !== undefined) spec.realtimeEpoch = timestampFromDate(parseDate(options.epoch));
  if (options.hostname !== undefined) spec.hostname = options.hostname;
  if (options.env !== undefined) spec.environment = options.env;
  for (const given of options.file ?? []) spec.files.push(...(await machineFile(session, given)));
  const machines = await session.service(MachineService);
  const { machine } = await machines.createMachine({
    spec,
    displayName: options.name ?? "",
    labels: options.label ?? {},
    ephemeral: options.ephemeral ?? false,
  });
  return machine!;
}

function readSpec(file: string) {
  try {
    return fromJson(MachineSpecSchema, JSON.parse(Buffer.from(readInput(file)).toString("utf8")));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      `${file}: ${(error as Error).message}`,
      'give a MachineSpec, for example {"memoryBytes": "67108864", "seed": "1"}',
    );
  }
}

function parseDate(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime()))
    throw new UsageError(`--epoch ${text}: not a date`, "give for example 2026-01-01T00:00:00Z");
  return date;
}

async function machineFile(session: Session, given: string) {
  const split = given.indexOf("=");
  if (split < 1 || !given.startsWith("/"))
    throw new UsageError(`--file ${given}: not /path=local`, "give for example --file /data/words.txt=words.txt");
  const { hash } = await upload(session, given.slice(split + 1));
  return [create(MachineSpecSchema, { files: [{ path: given.slice(0, split), contentHash: hash }] }).files[0]!];
}

const createCommand = specOptions(
  leaf("create", "make a machine; it starts paused, with no program", [
    "ostler machine create --name demo",
    "ostler machine create --memory 256M --label course=os1 --file /etc/motd=motd.txt",
    "M=$(ostler machine create --quiet)",
    'ostler machine create --bare --firmware fw_dynamic.bin --kernel Image --initrd initrd.gz --append "console=ttyS0" --memory 256M --harts 2 --disk 64M',
  ]),
)
  .option("-q, --quiet", "print the id only")
  .action(
    action<CreateOptions>(async (session, _, options) => {
      const machine = await createMachine(session, options);
      if (options.quiet) session.out.line(machine.machineId);
      else
        session.out.message(CreateMachineResponseSchema, create(CreateMachineResponseSchema, { machine }), () =>
          machineText(machine),
        );
    }),
  );

interface ListOptions extends PageOptions {
  label?: Record<string, string>;
  name?: string;
  state?: string;
  allOwners?: boolean;
}

const STATES = Object.values(RunState).filter((value): value is RunState => typeof value === "number" && value !== 0);

const listCommand = pageOptions(
  leaf("list", "list machines, oldest first", [
    "ostler machine list",
    "ostler machine list --label course=os1 --state idle --all",
  ]),
)
  .addOption(new Option("--label <name=value>", "only with this label; may be repeated").argParser(collectPair))
  .option("--name <text>", "only with this in the name")
  .addOption(
    new Option("--state <state>", "only in this state").choices(STATES.map((state) => enumName(RunState, state))),
  )
  .option("--all-owners", "of every owner (staff and admins)")
  .action(
    action<ListOptions>(async (session, _, options) => {
      const machines = await session.service(MachineService);
      const filter = {
        labels: options.label ?? {},
        nameContains: options.name ?? "",
        runState: STATES.find((state) => enumName(RunState, state) === options.state) ?? RunState.UNSPECIFIED,
        allOwners: options.allOwners === true,
      };
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await machines.listMachines({ ...page, ...filter });
        return { items: answer.machines, nextPageToken: answer.nextPageToken };
      });
      const answer = create(ListMachinesResponseSchema, { machines: items, nextPageToken });
      session.out.message(ListMachinesResponseSchema, answer, () =>
        items.length === 0 ? "no machines" : table(machineColumns, items),
      );
    }),
  );

const getCommand = leaf("get <machine>", "show a machine", [
  "ostler machine get m-1234",
  "ostler machine get m-1234 --json | jq .machine.runState",
]).action(
  action(async (session, [machineId]) => {
    const answer = await (await session.service(MachineService)).getMachine({ machineId: machineId! });
    session.out.message(GetMachineResponseSchema, answer, () => machineText(answer.machine!));
  }),
);

const deleteCommand = leaf("delete <machine...>", "delete machines with their journal and console; snapshots stay", [
  "ostler machine delete m-1234",
]).action(
  action(async (session, ids) => {
    const machines = await session.service(MachineService);
    for (const machineId of ids) {
      const answer = await machines.deleteMachine({ machineId });
      session.out.message(DeleteMachineResponseSchema, answer, () => `${machineId} deleted`);
    }
  }),
);

const runCommand = leaf("run <machine>", "let a machine run; returns at once", [
  "ostler machine run m-1234",
  "ostler machine run m-1234 --until-instructions 10M",
])
  .addOption(
    new Option("--until-instructions <n>", "pause when so many have been executed in all").argParser(parseCount),
  )
  .addOption(new Option("--until-time <time>", "pause at this virtual time").argParser(parseDurationNs))
  .action(
    action<{ untilInstructions?: number; untilTime?: number }>(async (session, [machineId], options) => {
      const answer = await (await session.service(MachineService)).runMachine({
        machineId: machineId!,
        untilInstructions: BigInt(options.untilInstructions ?? 0),
        untilTimeNs: BigInt(options.untilTime ?? 0),
      });
      session.out.message(RunMachineResponseSchema, answer, () => machineLine(answer.machine!));
    }),
  );

const pauseCommand = leaf("pause <machine>", "stop a machine where it stands", ["ostler machine pause m-1234"]).action(
  action(async (session, [machineId]) => {
    const answer = await (await session.service(MachineService)).pauseMachine({ machineId: machineId! });
    session.out.message(PauseMachineResponseSchema, answer, () => machineLine(answer.machine!));
  }),
);

const stepCommand = leaf("step <machine> [count]", "execute exactly so many instructions, then pause", [
  "ostler machine step m-1234",
  "ostler machine step m-1234 1M",
]).action(
  action(async (session, [machineId, count]) => {
    const instructions = BigInt(argument("count", count ?? "1", parseCount));
    if (instructions === 0n) throw new UsageError("a step is of at least 1 instruction");
    const machines = await session.service(MachineService);
    const answer = await machines.stepMachine({ machineId: machineId!, instructions }, { deadlineMs: 0 });
    session.out.message(
      StepMachineResponseSchema,
      answer,
      () => `${answer.executed} executed; ${machineLine(answer.machine!)}`,
    );
  }),
);

const hibernateCommand = leaf("hibernate <machine>", "write a machine to the database and free its memory", [
  "ostler machine hibernate m-1234",
]).action(
  action(async (session, [machineId]) => {
    const answer = await (await session.service(MachineService)).hibernateMachine({ machineId: machineId! });
    session.out.message(HibernateMachineResponseSchema, answer, () => machineLine(answer.machine!));
  }),
);

const thawCommand = leaf("thaw <machine>", "let a machine be used again that was frozen because it ended workers", [
  "ostler machine thaw m-1234",
]).action(
  action(async (session, [machineId]) => {
    const answer = await (await session.service(MachineService)).thawMachine({ machineId: machineId! });
    session.out.message(ThawMachineResponseSchema, answer, () => machineLine(answer.machine!));
  }),
);

export const machineCommand = group(
  "machine",
  "create, look at, run and end machines",
  [
    createCommand,
    listCommand,
    getCommand,
    startCommand,
    runCommand,
    pauseCommand,
    stepCommand,
    waitCommand,
    seekCommand,
    compareCommand,
    timingCommand,
    tasksCommand,
    taskCommand,
    killCommand,
    hibernateCommand,
    thawCommand,
    deleteCommand,
  ],
  ["M=$(ostler machine create --quiet)", "ostler machine start $M prog.elf one two", "ostler console follow $M"],
);
