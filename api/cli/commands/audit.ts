/** `ostler audit`: who did what to what. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type AuditEvent, AuditService, ListAuditEventsResponseSchema } from "../../../proto/gen/ostler/v1/audit_pb.js";
import { type Column, table } from "../output.ts";
import { action } from "../session.ts";
import { dateOption, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatTime } from "../units.ts";

const columns: readonly Column<AuditEvent>[] = [
  { title: "AT (UTC)", value: (event) => formatTime(event.at) },
  { title: "USER", value: (event) => event.actorId },
  { title: "KEY", value: (event) => event.keyId },
  { title: "COURSE", value: (event) => event.courseId || "-" },
  { title: "OPERATION", value: (event) => event.operation + (event.count > 1n ? ` (${event.count} times)` : "") },
  { title: "WHAT", value: (event) => event.target || "-" },
  { title: "OUTCOME", value: (event) => (event.outcome === "OK" ? "OK" : event.reason || event.outcome) },
  { title: "FROM", value: (event) => event.peer },
];

interface AuditOptions extends PageOptions {
  user?: string;
  operation?: string;
  what?: string;
  since?: Date;
  until?: Date;
}

export const auditCommand = pageOptions(
  leaf("audit", "show who did what to what, or was refused it, newest first (staff of --course; admins)", [
    "ostler audit --course os-2027 --user ada@example.edu",
    "ostler audit --what 'machine m-1234' --since 2027-01-31",
  ]),
)
  .option("--user <user>", "of this one alone")
  .option("--operation <service/method>", "for example MachineService/DeleteMachine")
  .option("--what <thing>", "exactly as it is shown, for example 'machine m-1234'")
  .addOption(dateOption("--since <date>", "from then on"))
  .addOption(dateOption("--until <date>", "before that"))
  .action(
    action<AuditOptions>(async (session, _, options) => {
      const audit = await session.service(AuditService);
      const filter = {
        actorId: options.user ?? "",
        operation: options.operation ?? "",
        target: options.what ?? "",
        ...(options.since !== undefined && { since: timestampFromDate(options.since) }),
        ...(options.until !== undefined && { until: timestampFromDate(options.until) }),
      };
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await audit.listAuditEvents({ ...page, ...filter });
        return { items: answer.events, nextPageToken: answer.nextPageToken };
      });
      const answer = create(ListAuditEventsResponseSchema, { events: items, nextPageToken });
      session.out.message(ListAuditEventsResponseSchema, answer, () => table(columns, items));
    }),
  );
