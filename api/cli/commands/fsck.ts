/** `ostler fsck`: is everything that is stored as it must be? Of a running server, or of a data directory or database. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import { isPostgresqlUrl } from "../../config.ts";
import type { CheckFigures } from "../../hosting/collection/check.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { explainPlace } from "../places.ts";
import { action, type Session } from "../session.ts";
import { leaf } from "../shared.ts";
import { formatCount, parsePercent } from "../units.ts";
import { LONG_MS } from "./store.ts";

interface Checked {
  figures: { [Name in keyof CheckFigures]: number };
  findings: number;
}

type Tell = (finding: { problem: string; subject: string; text: string }) => void;

async function checkServer(session: Session, share: number, tell: Tell): Promise<Checked> {
  const { AdminService } = await import("../../../proto/gen/ostler/v1/admin_pb.js");
  const admin = await session.service(AdminService);
  const deadlineMs = session.options.deadline ?? LONG_MS;
  for await (const { event } of admin.checkStore({ share }, { deadlineMs, signal: session.interruptible() })) {
    if (event.case === "finding") tell(event.value);
    if (event.case !== "figures") continue;
    const { machines, snapshots, blobs, verifiedBlobs, findings } = event.value;
    const figures = {
      machines: Number(machines),
      snapshots: Number(snapshots),
      blobs: Number(blobs),
      verifiedBlobs: Number(verifiedBlobs),
    };
    return { figures, findings: Number(findings) };
  }
  throw new CommandError("the server ended the check before it was done", "run it again");
}

/** `place`: a data directory, or the URL of a PostgreSQL database. */
async function checkPlace(place: string, share: number, tell: Tell): Promise<Checked> {
  const [{ openStore }, { Check }, { Pacer }] = await Promise.all([
    import("../../store/index.ts"),
    import("../../hosting/collection/check.ts"),
    import("../../hosting/collection/pace.ts"),
  ]);
  const isUrl = isPostgresqlUrl(place);
  if (!isUrl && !existsSync(join(place, "ostler.db")))
    throw new CommandError(
      `there is no database in ${place}`,
      "name the directory that OSTLER_DATA names for the server, or a URL like postgresql://…",
    );
  const store = await openStore(isUrl ? { dataDir: "", databaseUrl: place } : { dataDir: place });
  let findings = 0;
  try {
    for (const text of await store.contents.integrity()) {
      findings += 1;
      tell({ problem: "database", subject: "database", text: `the database's file: ${text}` });
    }
    const check = new Check(store, { share, pacer: new Pacer({ share: 1, signal: new AbortController().signal }) });
    for await (const finding of check.run()) {
      findings += 1;
      tell(finding);
    }
    return { figures: check.figures, findings };
  } finally {
    await store.close();
  }
}

const summary = ({ figures, findings }: Checked): string =>
  [
    `${formatCount(figures.machines)} machines, ${formatCount(figures.snapshots)} snapshots, ${formatCount(figures.blobs)} pieces of content`,
    `${formatCount(figures.verifiedBlobs)} of them read and hashed`,
    findings === 0 ? "nothing is wrong" : `${findings} things are wrong`,
  ].join("; ");

export const fsckCommand = leaf(
  "fsck [place]",
  "check all that is stored: of the running server, or in a data directory or PostgreSQL database that no server has; status 0 when all is well",
  ["ostler fsck", "ostler fsck --share 10%", "ostler fsck /var/lib/ostler"],
)
  .addOption(
    new Option("--share <percent>", "how much of the content is read and hashed")
      .argParser(parsePercent)
      .default(1, "100%"),
  )
  .action(
    action<{ share: number }>(async (session, [place], { share }) => {
      const tell: Tell = (finding) =>
        session.out.line(session.options.json ? JSON.stringify(finding) : `${finding.problem}: ${finding.text}`);
      const checked =
        place === undefined
          ? await checkServer(session, share, tell)
          : await checkPlace(place, share, tell).catch(explain(place));
      session.out.line(session.options.json ? JSON.stringify(checked) : summary(checked));
      return checked.findings === 0 ? ExitCode.ok : ExitCode.failed;
    }),
  );

const explain = (place: string) => (error: unknown) => {
  if (error instanceof Error && error.name === "StoreBusyError")
    throw new CommandError(error.message, "`ostler fsck` without a place checks the running server");
  return explainPlace(place)(error);
};
