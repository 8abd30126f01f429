/** TLS on both ports, by configuration. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, readConfig, readTls } from "../../api/config.ts";
import { startServer } from "../support/server.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const cli = join(import.meta.dirname, "../../api/cli/main.ts");
let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ostler-tls-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function makeCertificate(name: string): void {
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const files = ["-keyout", file(`${name}.key`), "-out", file(`${name}.crt`)];
  const made = spawnSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "1",
    ...subject,
    ...files,
  ]);
  if (made.status !== 0) throw new Error(made.stderr.toString());
}

describe.runIf(hasOpenssl)("with a certificate", () => {
  beforeAll(() => {
    for (const name of ["server", "other"]) makeCertificate(name);
  });

  test("REST and gRPC are reached by those who trust it, and not in the clear", async () => {
    const server = await startServer({ tlsCert: file("server.crt"), tlsKey: file("server.key") });
    try {
      const { port } = new URL(server.http);
      const ca = readFileSync(file("server.crt"));
      const self = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
        const headers = { authorization: `Bearer ${server.adminKey}` };
        const asked = request({ host: "127.0.0.1", port, path: "/v1/self", ca, headers }, (response) => {
          let body = "";
          response.on("data", (data) => (body += data));
          response.on("end", () => resolve({ status: response.statusCode, body }));
        });
        asked.on("error", reject);
        asked.end();
      });
      expect(self).toMatchObject({ status: 200, body: expect.stringContaining('"admin"') });
      await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
      const run = (address: string, env: Record<string, string> = {}) =>
        ostler(["user", "self"], { OSTLER_SERVER: address, OSTLER_KEY: server.adminKey, ...env });
      const trusting = await run(`https://${server.grpc}`, { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: file("server.crt") });
      expect(trusting).toMatchObject({ status: 0, out: expect.stringContaining("admin") });
      expect(await run(`https://${server.grpc}`)).toMatchObject({ status: 1 });
      expect(await run(server.grpc)).toMatchObject({ status: 1 });
    } finally {
      await server.stop();
    }
  });

  test("a key of another certificate is refused at the start", () => {
    const config = readConfig({ OSTLER_TLS_CERT: file("server.crt"), OSTLER_TLS_KEY: file("other.key") });
    expect(() => readTls(config)).toThrow(ConfigError);
  });
});

test("half of a configuration, and files that are not there, are refused with the variable's name", () => {
  writeFileSync(file("empty"), "");
  const tls = (environment: Record<string, string>) => () => readTls(readConfig(environment));
  expect(tls({})()).toBeNull();
  expect(tls({ OSTLER_TLS_CERT: file("empty") })).toThrow(/OSTLER_TLS_CERT and OSTLER_TLS_KEY go together/);
  expect(tls({ OSTLER_TLS_CERT: file("none"), OSTLER_TLS_KEY: file("empty") })).toThrow(/OSTLER_TLS_CERT=.*ENOENT/);
  expect(tls({ OSTLER_TLS_CERT: file("empty"), OSTLER_TLS_KEY: file("empty") })).toThrow(/no certificate/);
});

function ostler(args: string[], env: Record<string, string>): Promise<{ status: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, ...args, "--retry-for", "1s"], { env: { ...process.env, ...env } });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    child.on("close", (status) => resolve({ status, out }));
  });
}
