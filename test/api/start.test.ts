/** A server that cannot start says why and ends, so that whoever supervises it can do something about it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

test.each(["OSTLER_HTTP_PORT", "OSTLER_GRPC_PORT"])("a port of %s that is taken", async (variable) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  const data = mkdtempSync(join(tmpdir(), "ostler-start-"));
  const env = {
    ...process.env,
    OSTLER_DATA: data,
    OSTLER_HTTP_PORT: "0",
    OSTLER_GRPC_PORT: "0",
    [variable]: `${port}`,
  };
  const child = spawn(process.execPath, ["api/main.ts"], { cwd: join(import.meta.dirname, "../.."), env });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const [code] = await once(child, "close");
  taken.close();
  rmSync(data, { recursive: true, force: true });
  expect([code, said]).toEqual([1, expect.stringContaining("ostler:")]);
});
