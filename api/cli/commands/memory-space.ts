/** `ostler memory space`: where addresses of a task lead. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Option } from "commander";
import {
  type GetAddressSpaceResponse,
  GetAddressSpaceResponseSchema,
  type MappedRange,
  MemoryService,
  type PageTableEntry,
  PageTableEntryKind,
  type RenderAddressSpaceRequestSchema,
  RenderAddressSpaceResponseSchema,
} from "../../../proto/gen/ostler/v1/memory_pb.js";
import { UsageError } from "../failure.ts";
import { type Column, list, table } from "../output.ts";
import { type PictureOptions, pictureFormat, pictureOptions } from "../pictures.ts";
import { action, type Session } from "../session.ts";
import { argument, enumName, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatHex, formatSize, parseAddress, parseCount, parseTask } from "../units.ts";

const walkColumns: readonly Column<PageTableEntry>[] = [
  { title: "LEVEL", value: ({ level }) => String(level), align: "right" },
  { title: "COVERS", value: ({ coversBits }) => formatSize(2 ** coversBits), align: "right" },
  { title: "ENTRY AT", value: ({ entryAddress }) => formatHex(entryAddress), align: "right" },
  { title: "ENTRY", value: ({ entry }) => formatHex(entry), align: "right" },
  { title: "IS", value: ({ kind }) => enumName(PageTableEntryKind, kind) },
  { title: "LEADS TO", value: ({ address }) => (address === 0n ? "-" : formatHex(address)), align: "right" },
  { title: "MAY", value: ({ permissions }) => permissions },
];

const rangeColumns: readonly Column<MappedRange>[] = [
  { title: "START", value: ({ start }) => formatHex(start), align: "right" },
  {
    title: "END",
    value: ({ start, pages: count, pageBytes }) => formatHex(start + count * BigInt(pageBytes)),
    align: "right",
  },
  { title: "PAGES", value: ({ pages: count }) => String(count), align: "right" },
  { title: "OF", value: ({ pageBytes }) => formatSize(pageBytes), align: "right" },
  { title: "PHYSICAL", value: ({ physicalAddress }) => formatHex(physicalAddress), align: "right" },
  { title: "MAY", value: ({ permissions }) => permissions },
];

function spaceText(answer: GetAddressSpaceResponse, address: bigint | undefined): string {
  const { physicalAddress } = answer;
  const leads = physicalAddress === undefined ? "nothing is mapped there" : formatHex(physicalAddress);
  const head = list([
    ["number", String(answer.asid)],
    ["top table", formatHex(answer.rootAddress)],
    ["task", answer.task === 0 ? "none: made by hand" : String(answer.task)],
    [address === undefined ? "" : formatHex(address), address === undefined ? "" : leads],
  ]);
  const walk = answer.walk.length === 0 ? [] : ["", table(walkColumns, answer.walk)];
  const ranges = answer.ranges.length === 0 ? "nothing is mapped" : table(rangeColumns, answer.ranges);
  return [head, ...walk, "", ranges].join("\n");
}

interface SpaceOptions extends PageOptions, PictureOptions {
  from?: bigint;
  thread?: number;
  asid?: number;
}

function chosen(task: string | undefined, { thread, asid }: SpaceOptions) {
  if (thread !== undefined) return { case: "thread" as const, value: thread };
  if (asid !== undefined) return { case: "asid" as const, value: asid };
  if (task === undefined) throw new UsageError("give a task, --thread or --asid");
  return { case: "task" as const, value: argument("task", task, parseTask) };
}

async function draw(
  session: Session,
  request: MessageInitShape<typeof RenderAddressSpaceRequestSchema>,
): Promise<void> {
  const memory = await session.service(MemoryService);
  const picture = await memory.renderAddressSpace(request);
  session.out.message(RenderAddressSpaceResponseSchema, picture, () => picture.text.trimEnd());
}

export const spaceCommand = pictureOptions(
  pageOptions(
    leaf("space <machine> [task] [address]", "show what is mapped where, and where one address leads", [
      "ostler memory space m-1234 1",
      "ostler memory space m-1234 1 0x10000                 # level by level",
      "ostler memory space m-1234 --asid 512 --all          # one that was made by hand",
      "ostler memory space m-1234 --thread 5 0x400000",
      "ostler memory space m-1234 1 0x10000 --svg > space.svg",
    ]),
  ),
  "the walk, and of ranges with their frames",
)
  .addOption(
    new Option("--thread <thread>", "the space that this thread runs in").argParser(parseTask).conflicts("asid"),
  )
  .addOption(new Option("--asid <number>", "by its number").argParser(parseCount))
  .addOption(new Option("--from <address>", "of a picture: ranges from this address on").argParser(parseAddress))
  .action(
    action<SpaceOptions>(async (session, [machineId, first, second], options) => {
      const memory = await session.service(MemoryService);
      const named = options.thread !== undefined || options.asid !== undefined;
      const at = named ? first : second;
      const address = at === undefined ? undefined : argument("address", at, parseAddress);
      const space = chosen(first, options);
      const format = pictureFormat(options);
      const wanted = { machineId: machineId!, space, ...(address !== undefined && { address }) };
      if (format !== null) return draw(session, { ...wanted, start: options.from ?? 0n, format });
      if (options.from !== undefined) throw new UsageError("--from needs --svg or --dot; a list has --page-token");
      let head: GetAddressSpaceResponse | undefined;
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await memory.getAddressSpace({ ...wanted, ...page });
        head ??= answer;
        return { items: answer.ranges, nextPageToken: answer.nextPageToken };
      });
      const answer = create(GetAddressSpaceResponseSchema, { ...head!, ranges: items, nextPageToken });
      session.out.message(GetAddressSpaceResponseSchema, answer, () => spaceText(answer, address));
    }),
  );
