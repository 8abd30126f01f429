/** Files that are sent in parts, by what answers as a server does. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { resuming } from "../../api/cli/client.ts";
import type { Session } from "../../api/cli/session.ts";
import { upload, uploadArchive } from "../../api/cli/uploads.ts";
import { notFound, resourceExhausted, unavailable } from "../../api/errors.ts";
import type { UploadContentRequest } from "../../proto/gen/ostler/v1/programs_pb.js";

const folder = mkdtempSync(join(tmpdir(), "ostler-uploads-"));
afterAll(() => rmSync(folder, { recursive: true }));

const BYTES = 9 * 1024 * 1024;

/** Of a server that says these, one after the other, when a part has come, and takes the next upload. */
function sessionOf(refusals: Error[]): { session: Session; taken: number[] } {
  const taken: number[] = [];
  const programs = {
    getProgram: async ({ programHash }: { programHash: string }) => {
      throw notFound("program", programHash);
    },
    async *uploadContent(requests: AsyncIterable<Partial<UploadContentRequest>>) {
      let bytes = 0;
      for await (const { data } of requests) {
        bytes += data?.length ?? 0;
        const refusal = bytes > 0 ? refusals.shift() : undefined;
        if (refusal !== undefined) throw refusal;
      }
      taken.push(bytes);
      yield {};
    },
  };
  const session = {
    service: async () => programs,
    interruptible: () => new AbortController().signal,
    follow: (open: () => AsyncIterable<unknown>) => resuming(open, { patienceMs: 10_000, retryForMs: 10_000 }),
    out: { progress() {} },
  };
  return { session: session as unknown as Session, taken };
}

test("a large file is sent again when the server went away, or asks to come again", async () => {
  const file = join(folder, "large");
  writeFileSync(file, "");
  truncateSync(file, BYTES);
  const refusals = [unavailable("SERVER_DRAINING", "going"), resourceExhausted("TOO_MANY_REQUESTS", "later", 1)];
  const { session, taken } = sessionOf(refusals);
  expect(await upload(session, file)).toMatchObject({ name: "large", size: BYTES, sent: true });
  expect(taken).toEqual([BYTES]);
  const { session: other } = sessionOf([resourceExhausted("QUOTA", "in an hour", 3_600_000)]);
  await expect(upload(other, file)).rejects.toMatchObject({ reason: "QUOTA" });
});

test("a file that cannot be looked at is named", async () => {
  const { session } = sessionOf([]);
  const file = join(folder, "x".repeat(300));
  for (const send of [upload, uploadArchive])
    await expect(send(session, file)).rejects.toMatchObject({ message: expect.stringMatching(/x{300}: /), help: "" });
});
