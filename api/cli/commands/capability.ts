/** `ostler capability …`: the graph of a machine's capabilities, and calls through them. */
import { create } from "@bufbuild/protobuf";
import { InvalidArgumentError, Option } from "commander";
import {
  type CapabilityHolder,
  CapabilityService,
  type CapabilitySlot,
  CapabilityType,
  type GetCapabilityGraphResponse,
  GetCapabilityGraphResponseSchema,
  type GraphFormat,
  InvokeOperation,
  type InvokeRequest,
  type InvokeResponse,
  InvokeResponseSchema,
  type KernelObject,
  RenderCapabilityGraphResponseSchema,
  RevokeSlotResponseSchema,
} from "../../../proto/gen/ostler/v1/capabilities_pb.js";
import { ExitCode } from "../failure.ts";
import { type Column, list, table } from "../output.ts";
import { type PictureOptions, pictureFormat, pictureOptions } from "../pictures.ts";
import { action, type Session } from "../session.ts";
import { argument, enumName, group, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatHex, formatSize, parseAddress, parseTask } from "../units.ts";

/** Names of an enum's values as they are typed: PAGE_TABLE is page-table. */
function choices<Value extends number>(names: Record<string, string | number>): Map<string, Value> {
  return new Map(
    Object.values(names)
      .filter((value): value is number => typeof value === "number" && value !== 0)
      .map((value) => [typed(names as Record<number, string>, value), value as Value]),
  );
}
const typed = (names: Record<number, string>, value: number): string => enumName(names, value).replaceAll("_", "-");

const TYPES = choices<CapabilityType>(CapabilityType);
const OPERATIONS = choices<InvokeOperation>(InvokeOperation);

function placeText({ place }: CapabilitySlot): string {
  switch (place.case) {
    case "kernel":
      return place.value;
    case "tcb":
      return `tcb ${formatHex(place.value.address)} ${place.value.name}`;
    case undefined:
      return "";
    default:
      return `${place.case} ${formatHex(place.value.address)}[${place.value.index}]`;
  }
}

function details(slot: CapabilitySlot): string {
  const { mapped } = slot;
  return [
    slot.rights,
    slot.badge === undefined || slot.badge === 0n ? "" : `badge ${formatHex(slot.badge)}`,
    slot.guard === undefined ? "" : `guard ${formatHex(slot.guard)}/${slot.guardBits}`,
    mapped === undefined ? "" : `space ${mapped.asid} at ${formatHex(mapped.address)}${mapped.live ? "" : " (gone)"}`,
    slot.bytesUsed === undefined ? "" : `${formatSize(slot.bytesUsed)} used`,
    slot.master ? "master" : "",
  ]
    .filter((text) => text !== "")
    .join(" ");
}

const threadText = ({ task, thread }: CapabilityHolder): string =>
  task === thread ? String(task) : `${task}/${thread}`;

function holderText({ holders, holderCount }: CapabilitySlot): string {
  const shown = holders.map(threadText);
  return [...shown, ...(holderCount > shown.length ? ["..."] : [])].join(" ");
}

/** A parent is called as its own row calls it; one that is not in the list, by its id. */
const slotColumns = (slots: readonly CapabilitySlot[]): readonly Column<CapabilitySlot>[] => {
  const names = new Map(slots.map((slot) => [slot.id, placeText(slot)]));
  return [
    { title: "SLOT", value: placeText },
    { title: "TYPE", value: ({ type }) => typed(CapabilityType, type) },
    { title: "OBJECT", value: ({ object }) => object },
    { title: "WITH", value: details },
    { title: "DERIVED FROM", value: ({ parent }) => names.get(parent) ?? (parent || "-") },
    { title: "PASSED ON BY", value: ({ delegatedBy }) => (delegatedBy === undefined ? "-" : threadText(delegatedBy)) },
    { title: "REACHED BY", value: (slot) => holderText(slot) || "-" },
  ];
};

/** What an object is right now, in a line. */
function objectText({ detail }: KernelObject): string {
  switch (detail.case) {
    case "untyped":
      return `${formatSize(detail.value.bytesUsed)} used, ${formatSize(detail.value.bytesLeft)} left${detail.value.pool ? ", a pool" : ""}`;
    case "bank": {
      const { pages, tables, shared } = detail.value;
      return `${pages} pages, ${tables} page tables${shared === 0n ? "" : `, ${shared} pages shared`}`;
    }
    case "cnode":
      return `${detail.value.filled} of ${2 ** detail.value.radix} slots filled`;
    case "tcb": {
      const { task, thread, name, priority, state, wait } = detail.value;
      return `task ${task} thread ${thread} "${name}" priority ${priority} ${state}${wait === "" ? "" : `: ${wait}`}`;
    }
    case "endpoint":
      return detail.value.waiters.length === 0 ? "" : `${detail.value.waitingTo}: ${detail.value.waiters.join(" ")}`;
    case "notification": {
      const { active, word, waiters } = detail.value;
      return `${active ? `active ${formatHex(word)}` : "idle"}${waiters.length === 0 ? "" : `, waiting ${waiters.join(" ")}`}`;
    }
    case "frame":
    case "pageTable":
      return detail.value.mappings.map(({ asid, address }) => `space ${asid} at ${formatHex(address)}`).join(", ");
    case "asidPool":
      return `from ${detail.value.base}, ${detail.value.used} used`;
    case "irqHandler":
      return `line ${detail.value.irq}${detail.value.masked ? ", masked" : ""}${detail.value.pending ? ", pending" : ""}`;
    case "zombie":
      return `${detail.value.slotsLeft} slots left`;
    default:
      return "";
  }
}

const objectColumns: readonly Column<KernelObject>[] = [
  { title: "OBJECT", value: ({ id }) => id },
  { title: "SIZE", value: ({ bytes }) => (bytes === 0n ? "-" : formatSize(bytes)), align: "right" },
  { title: "CAPABILITIES", value: ({ capabilities }) => String(capabilities), align: "right" },
  { title: "NOW", value: objectText },
];

export function graphText({ slots, objects }: GetCapabilityGraphResponse): string {
  if (slots.length === 0) return "no capabilities";
  return [table(slotColumns(slots), slots), "", table(objectColumns, objects)].join("\n");
}

interface GraphOptions extends PageOptions, PictureOptions {
  task?: number;
  type?: string[];
  object?: bigint;
}

const filterOf = ({ task, type, object }: GraphOptions) => ({
  task: task ?? 0,
  types: (type ?? []).map((name) => TYPES.get(name)!),
  ...(object !== undefined && { objectAddress: object }),
});

async function draw(session: Session, machineId: string, options: GraphOptions, format: GraphFormat): Promise<void> {
  const capabilities = await session.service(CapabilityService);
  const answer = await capabilities.renderCapabilityGraph({ machineId, filter: filterOf(options), format });
  session.out.message(RenderCapabilityGraphResponseSchema, answer, () => answer.text.trimEnd());
}

function parseType(text: string, earlier: string[] = []): string[] {
  if (!TYPES.has(text)) throw new InvalidArgumentError(`Give one of ${[...TYPES.keys()].join(", ")}.`);
  return [...earlier, text];
}

const graphCommand = pictureOptions(
  pageOptions(
    leaf("graph <machine>", "list capabilities with their objects, what they derive from and who reaches them", [
      "ostler capability graph m-1234 --all",
      "ostler capability graph m-1234 --task 1 --type endpoint --type notification",
      "ostler capability graph m-1234 --svg > graph.svg",
      "ostler capability graph m-1234 --dot | dot -Tpdf > graph.pdf",
    ]),
  ),
  "the derivation",
)
  .addOption(new Option("--task <task>", "only what this task's threads reach").argParser(parseTask))
  .addOption(new Option("--type <type>", "only capabilities of this type; may be repeated").argParser(parseType))
  .addOption(new Option("--object <address>", "only capabilities to what is at this address").argParser(parseAddress))
  .action(
    action<GraphOptions>(async (session, [machineId], options) => {
      const format = pictureFormat(options);
      if (format !== null) return draw(session, machineId!, options, format);
      const capabilities = await session.service(CapabilityService);
      const objects = new Map<string, KernelObject>();
      let total = 0n;
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await capabilities.getCapabilityGraph({
          machineId: machineId!,
          filter: filterOf(options),
          ...page,
        });
        for (const object of answer.objects) objects.set(object.id, object);
        ({ total } = answer);
        return {
          items: answer.slots.map((slot) => ({ slot, edges: answer.edges })),
          nextPageToken: answer.nextPageToken,
        };
      });
      const slots = items.map(({ slot }) => slot);
      const edges = [...new Set(items.map((item) => item.edges))].flat();
      const answer = create(GetCapabilityGraphResponseSchema, {
        slots,
        objects: [...objects.values()],
        edges,
        total,
        nextPageToken,
      });
      session.out.message(GetCapabilityGraphResponseSchema, answer, () => graphText(answer));
    }),
  );

interface InvokeOptions {
  operation: string;
  with?: bigint[];
  receive?: { root: bigint; index: bigint; depth: number };
  once?: string;
}

const WORD_LIMIT = 2n ** 64n;
function parseWord(text: string): bigint {
  if (!/^(-?\d+|0x[0-9a-f]+)$/i.test(text)) throw new InvalidArgumentError("Give a number, for example 64 or 0x1000.");
  const value = BigInt(text);
  if (value >= WORD_LIMIT || value < -(WORD_LIMIT / 2n))
    throw new InvalidArgumentError("Give a number of at most 64 bits.");
  return BigInt.asUintN(64, value);
}

function parsePath(text: string): { root: bigint; index: bigint; depth: number } {
  const [root, index, depth, more] = text.split("/");
  if (root === undefined || index === undefined || depth === undefined || more !== undefined)
    throw new InvalidArgumentError("Give root/index/depth, for example 2/100/64.");
  return { root: parseWord(root), index: parseWord(index), depth: Number(parseWord(depth)) };
}

const collectWords = (text: string, earlier: bigint[] = []): bigint[] => [...earlier, parseWord(text)];

/** A name, or the number of a label. */
function whatOf(given: string | undefined): InvokeRequest["what"] {
  if (given === undefined) return { case: undefined };
  return /^(\d+|0x[0-9a-f]+)$/i.test(given)
    ? { case: "label", value: argument("method", given, parseWord) }
    : { case: "method", value: given };
}

function answerText(answer: InvokeResponse): string {
  if (answer.cancelled) return "cancelled";
  if (answer.fault !== undefined) return `fault: ${answer.fault.description}`;
  if (answer.errorName !== "") return `${answer.errorName}: ${answer.errorDescription}`;
  const shown = list([
    ["label", answer.label === 0n ? "" : String(answer.label)],
    ["badge", answer.badge === 0n ? "" : formatHex(answer.badge)],
    ["words", answer.words.map(formatHex).join(" ")],
    ["capabilities", answer.capabilities === 0 ? "" : String(answer.capabilities)],
    ["badges of capabilities", answer.unwrappedBadges.map(formatHex).join(" ")],
  ]);
  return shown === "" ? "done" : shown;
}

const invokeCommand = leaf(
  "invoke <machine> <task> <capability> [method] [words...]",
  "make one of seL4's calls in a remote-driven task that holds capabilities",
  [
    "T=$(ostler task create m-1234 --capabilities --quiet)",
    "ostler capability invoke m-1234 $T 16 UntypedRetype 2 0 0 0 100 1 --with 2    # an endpoint into slot 100",
    "ostler capability invoke m-1234 $T 2 CNodeMint 101 64 100 64 15 7 --with 2    # a copy with badge 7",
    "ostler capability invoke m-1234 $T 101 5 1 2 3 --operation send               # label 5, words 1 2 3",
    "ostler capability invoke m-1234 $T 100 --operation recv",
  ],
)
  .addHelpText(
    "after",
    "\nAt the start: 1 TCB, 2 CNode, 3 VSpace, 4 IRQ control, 5 ASID control, 6 ASID pool, from 16 on untyped memory.\n" +
      "The method is seL4's name of it, or a label. Ends with status 1 when the kernel refuses.",
  )
  .addOption(new Option("--operation <operation>", "which call").choices([...OPERATIONS.keys()]).default("call"))
  .addOption(
    new Option("--with <capability>", "a capability that goes with the message; may be repeated").argParser(
      collectWords,
    ),
  )
  .addOption(new Option("--receive <root/index/depth>", "slot for a capability that comes").argParser(parsePath))
  .option("--once <key>", "idempotency key: the same call again gives the first answer")
  .action(
    action<InvokeOptions>(async (session, [machineId, task, capability, method, ...words], options) => {
      const capabilities = await session.service(CapabilityService);
      const request = {
        machineId: machineId!,
        task: argument("task", task!, parseTask),
        operation: OPERATIONS.get(options.operation)!,
        capability: argument("capability", capability!, parseWord),
        what: whatOf(method),
        words: words.map((word) => argument("words", word, parseWord)),
        capabilities: options.with ?? [],
        ...(options.receive !== undefined && { receive: options.receive }),
        idempotencyKey: options.once ?? "",
      };
      const answer = await capabilities.invoke(request, { deadlineMs: 0, signal: session.interruptible() });
      session.out.message(InvokeResponseSchema, answer, () => answerText(answer));
      const failed = answer.cancelled || answer.fault !== undefined || answer.errorName !== "";
      return failed ? ExitCode.failed : ExitCode.ok;
    }),
  );

const revokeCommand = leaf("revoke <machine> <slot>", "take away what was derived from a descriptor, or a bank", [
  'ostler capability revoke m-1234 "descriptor 0 of task 3"                 # closes the copies of what it opened',
  'ostler capability revoke m-1234 "bank of task 3 in pool 0" --itself      # ends the task',
])
  .addHelpText("after", "\nThe slot is one of the kernel's own, by its id in the graph of capabilities.")
  .option("--itself", "also the capability in the slot")
  .action(
    action<{ itself?: boolean }>(async (session, [machineId, slot], { itself }) => {
      const capabilities = await session.service(CapabilityService);
      const answer = await capabilities.revokeSlot({ machineId: machineId!, slot: slot!, itself: itself ?? false });
      session.out.message(RevokeSlotResponseSchema, answer, () => "revoked");
    }),
  );

export const capabilityCommand = group("capability", "who holds which capabilities, and calls through them", [
  graphCommand,
  invokeCommand,
  revokeCommand,
]);
