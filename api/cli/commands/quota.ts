/** `ostler quota …`: what members of a course may use up, and what they have. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";
import {
  GetQuotaResponseSchema,
  type Quota,
  QuotaKind,
  QuotaService,
  SetQuotaResponseSchema,
} from "../../../proto/gen/ostler/v1/quotas_pb.js";
import { UsageError } from "../failure.ts";
import { type Column, table } from "../output.ts";
import { action } from "../session.ts";
import { group, leaf } from "../shared.ts";
import { formatCount, formatSize, parseCount, parseSize } from "../units.ts";

interface Named {
  name: string;
  kind: QuotaKind;
  isBytes?: true;
  brief: string;
}

const KINDS: readonly Named[] = [
  { name: "requests", kind: QuotaKind.REQUESTS_PER_SECOND, brief: "calls a second" },
  { name: "instructions", kind: QuotaKind.INSTRUCTIONS_PER_HOUR, brief: "instructions an hour" },
  { name: "trace", kind: QuotaKind.TRACE_BYTES_PER_HOUR, isBytes: true, brief: "bytes of traces an hour" },
  { name: "running", kind: QuotaKind.RUNNING_MACHINES, brief: "machines running at once" },
  { name: "memory", kind: QuotaKind.MEMORY_BYTES, isBytes: true, brief: "RAM of machines in memory" },
  { name: "machines", kind: QuotaKind.MACHINES, brief: "machines" },
  { name: "storage", kind: QuotaKind.STORAGE_BYTES, isBytes: true, brief: "bytes of programs and snapshots" },
  { name: "weight", kind: QuotaKind.PROCESSOR_WEIGHT, brief: "share of the processor; an ordinary one is 100" },
];

const namedBy = (kind: QuotaKind): Named => KINDS.find((each) => each.kind === kind)!;
const amount = (kind: QuotaKind, value: bigint): string =>
  namedBy(kind).isBytes ? formatSize(value) : formatCount(value);

const isWeight = ({ kind }: Quota): boolean => kind === QuotaKind.PROCESSOR_WEIGHT;

interface Row {
  whose: string;
  quota: Quota;
}

const columns: readonly Column<Row>[] = [
  { title: "OF", value: ({ whose }) => whose },
  { title: "WHAT", value: ({ quota }) => namedBy(quota.kind).name },
  { title: "USED", value: ({ quota }) => (isWeight(quota) ? "-" : amount(quota.kind, quota.used)) },
  { title: "LIMIT", value: ({ quota }) => (quota.limit === 0n ? "none" : amount(quota.kind, quota.limit)) },
  { title: "SET", value: ({ quota }) => (quota.own ? "here" : "by default") },
  {
    title: "FULL AGAIN (UTC)",
    value: ({ quota }) =>
      quota.fullAt === undefined ? "-" : timestampDate(quota.fullAt).toISOString().replace("T", " ").slice(0, 19),
  },
];

const show = leaf("show [user]", "show what you, or a user (graders, staff), may use up in the course, and have", [
  "ostler quota show",
  "ostler quota show ada@example.edu --course os-2027",
]).action(
  action(async (session, [userId]) => {
    const answer = await (await session.service(QuotaService)).getQuota({ userId: userId ?? "" });
    const rows = [
      ...answer.user.map((quota) => ({ whose: answer.userId, quota })),
      ...answer.course.map((quota) => ({ whose: `course ${answer.courseId}`, quota })),
    ];
    session.out.message(GetQuotaResponseSchema, answer, () => table(columns, rows));
  }),
);

/** "running=4", "memory=512M", "machines=none", "trace=default". */
function parseLimit(text: string): { kind: QuotaKind; limit?: bigint } {
  const [name = "", value = ""] = text.split("=", 2);
  const known = KINDS.find((each) => each.name === name);
  if (known === undefined || value === "")
    throw new InvalidArgumentError(
      `Give what=limit, where what is one of ${KINDS.map((each) => each.name).join(", ")}.`,
    );
  if (value === "default") return { kind: known.kind };
  if (value === "none") return { kind: known.kind, limit: 0n };
  return { kind: known.kind, limit: BigInt(known.isBytes ? parseSize(value) : parseCount(value)) };
}

const set = leaf(
  "set <limit...>",
  "set limits of a user, of each member, or of all together (staff; of all together: admins)",
  [
    "ostler quota set running=4 memory=512M --user ada@example.edu --course os-2027",
    "ostler quota set requests=20 instructions=50G --each --course os-2027",
    "ostler quota set memory=16G trace=none machines=default --all --course os-2027",
    "ostler quota set weight=300 --user grader@example.edu --course os-2027",
  ],
)
  .option("--user <user>", "of this member")
  .option("--each", "of each member for whom no other is set")
  .option("--all", "of all members together")
  .addHelpText("after", `\nLimits:\n${KINDS.map(({ name, brief }) => `  ${name.padEnd(14)}${brief}`).join("\n")}`)
  .action(
    action<{ user?: string; each?: boolean; all?: boolean }>(async (session, words, { user, each, all }) => {
      if ([user, each, all].filter((given) => given !== undefined).length !== 1)
        throw new UsageError("say whose: --user, --each or --all");
      const userId = user ?? (each ? "*" : "");
      const answer = await (await session.service(QuotaService)).setQuota({ userId, limits: words.map(limitOf) });
      session.out.message(SetQuotaResponseSchema, answer, () => `set in course ${answer.courseId}`);
    }),
  );

function limitOf(word: string): ReturnType<typeof parseLimit> {
  try {
    return parseLimit(word);
  } catch (error) {
    throw error instanceof InvalidArgumentError ? new UsageError(`${word}: ${error.message}`) : error;
  }
}

export const quotaCommand = group("quota", "what members of a course may use up, and have", [show, set]);
