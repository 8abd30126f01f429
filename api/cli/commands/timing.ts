/** `ostler machine timing`: what the caches of a machine with modelled timing counted. */
import {
  type CacheStatistics,
  type GetTimingResponse,
  GetTimingResponseSchema,
  MemoryService,
} from "../../../proto/gen/ostler/v1/memory_pb.js";
import { type Column, list, table } from "../output.ts";
import { action } from "../session.ts";
import { leaf } from "../shared.ts";

interface Row extends Pick<CacheStatistics, "hits" | "misses" | "writtenBack"> {
  name: string;
}

const missRate = ({ hits, misses }: Row): string =>
  hits + misses === 0n ? "-" : `${((100 * Number(misses)) / Number(hits + misses)).toFixed(2)} %`;

const columns: readonly Column<Row>[] = [
  { title: "CACHE", value: ({ name }) => name },
  { title: "HITS", value: ({ hits }) => String(hits), align: "right" },
  { title: "MISSES", value: ({ misses }) => String(misses), align: "right" },
  { title: "MISS RATE", value: missRate, align: "right" },
  { title: "WRITTEN BACK", value: ({ writtenBack }) => String(writtenBack), align: "right" },
];

function timingText({ instructions, cycles, stallCycles, harts, second, ...rest }: GetTimingResponse): string {
  const perInstruction = instructions === 0n ? "-" : (Number(cycles) / Number(instructions)).toFixed(3);
  const summary = list([
    ["cycles", String(cycles)],
    ["instructions", String(instructions)],
    ["cycles per instruction", perInstruction],
    ["stalled", `${stallCycles} cycles`],
    ["lines from memory", `${rest.localAccesses} of the own node, ${rest.remoteAccesses} of others`],
  ]);
  const rows = harts.flatMap((hart, number): Row[] => [
    { name: `hart ${number} L1I`, ...hart.instructions! },
    { name: `hart ${number} L1D`, ...hart.data! },
    { name: `hart ${number} ITLB`, ...hart.instructionTlb! },
    { name: `hart ${number} DTLB`, ...hart.dataTlb! },
  ]);
  return [summary, table(columns, [...rows, { name: "L2", ...second! }])].join("\n\n");
}

export const timingCommand = leaf("timing <machine>", "show cycles, and hits and misses of modelled caches and TLBs", [
  "ostler machine timing $(ostler machine create --timing --quiet)",
]).action(
  action(async (session, [machineId]) => {
    const answer = await (await session.service(MemoryService)).getTiming({ machineId: machineId! });
    session.out.message(GetTimingResponseSchema, answer, () => timingText(answer));
  }),
);
