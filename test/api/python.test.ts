/** A foreign client: Python's grpcio with code that protoc generated from our proto files. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

const root = join(import.meta.dirname, "../..");
const python = "/usr/bin/python3";
const missing = [
  ["protoc", spawnSync("protoc", ["--version"]).status],
  ["grpc_python_plugin", spawnSync("sh", ["-c", "command -v grpc_python_plugin"]).status],
  ["python3-grpcio", spawnSync(python, ["-c", "import grpc, google.protobuf"]).status],
  ["riscv64-linux-gnu-gcc", hasCompiler ? 0 : 1],
].filter(([, status]) => status !== 0);

let server: TestServer;
let directory: string;
beforeAll(async () => {
  if (missing.length > 0) return;
  directory = mkdtempSync(join(tmpdir(), "ostler-python-"));
  const files = (folder: string): string[] =>
    readdirSync(join(root, "proto", folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".proto"))
      .map((name) => join(folder, name));
  const third = files("third_party").map((name) => name.replace("third_party/", ""));
  // As buf compiled them: not every protoc comes with the files of google.protobuf.
  const include = `--descriptor_set_in=${join(root, "proto/gen/descriptors.binpb")}`;
  const plugin = `--plugin=protoc-gen-grpc_python=${execFileSync("sh", ["-c", "command -v grpc_python_plugin"], { encoding: "utf8" }).trim()}`;
  execFileSync("protoc", [
    include,
    plugin,
    `--python_out=${directory}`,
    `--grpc_python_out=${directory}`,
    ...files("ostler"),
    ...third.filter((name) => !name.startsWith("grpc/")),
  ]);
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

const script = `
import sys, threading, grpc
from ostler.v1 import machines_pb2 as m, machines_pb2_grpc as mg, programs_pb2 as p, programs_pb2_grpc as pg
from ostler.v1 import console_pb2 as c, console_pb2_grpc as cg, tasks_pb2 as t, tasks_pb2_grpc as tg
from ostler.v1 import traces_pb2 as tr, traces_pb2_grpc as trg
address, key, program = sys.argv[1:]
auth = (("authorization", "Bearer " + key),)
channel = grpc.insecure_channel(address)
machines, programs, console = mg.MachineServiceStub(channel), pg.ProgramServiceStub(channel), cg.ConsoleServiceStub(channel)
elf = open(program, "rb").read()
uploaded = programs.UploadProgram(p.UploadProgramRequest(name="echo", data=elf), metadata=auth).program
machine = machines.CreateMachine(m.CreateMachineRequest(display_name="from python"), metadata=auth).machine
started = machines.StartProgram(m.StartProgramRequest(machine_id=machine.machine_id, program_hash=uploaded.program_hash, run=True), metadata=auth)
def requests():
    yield c.AttachConsoleRequest(open=c.AttachConsoleOpen(machine_id=machine.machine_id, until_task_exited=started.task))
    yield c.AttachConsoleRequest(data=b"snake\\n")
    yield c.AttachConsoleRequest(end=True)
output = b"".join(r.data for r in console.AttachConsole(requests(), metadata=auth, timeout=240))
print("console", repr(output))
for answer in machines.WaitMachine(m.WaitMachineRequest(machine_id=machine.machine_id, task_exited=started.task), metadata=auth, timeout=240): pass
print("status", answer.exit_status.description)
tasks = tg.TaskServiceStub(channel)
remote = tasks.CreateRemoteTask(t.CreateRemoteTaskRequest(machine_id=machine.machine_id), metadata=auth).task
result = tasks.Call(t.CallRequest(machine_id=machine.machine_id, task=remote.task, name="getpid"), metadata=auth)
print("getpid", result.value == remote.task or result.value > 0)
traces = trg.TraceServiceStub(channel)
names = set()
for batch in traces.QueryTrace(tr.QueryTraceRequest(machine_id=machine.machine_id, filter=tr.TraceFilter(categories=["syscall"])), metadata=auth, timeout=240):
    names.update(record.fields["name"].text for record in batch.records if record.event == "syscall.exit")
print("traced", "write" in names, "read" in names)
try:
    machines.CreateMachine(m.CreateMachineRequest(spec=m.MachineSpec(memory_bytes=1)), metadata=auth)
except grpc.RpcError as e:
    print("error", e.code().name, "spec.memory_bytes" in e.details())
`;

test.skipIf(missing.length > 0)(
  `a Python client drives a machine${missing.length > 0 ? ` (missing: ${missing.map(([name]) => name).join(", ")})` : ""}`,
  async () => {
    writeFileSync(join(directory, "echo.elf"), compileC(sources.echo));
    writeFileSync(join(directory, "client.py"), script);
    const args = [join(directory, "client.py"), server.grpc, server.adminKey, join(directory, "echo.elf")];
    const { stdout } = await promisify(execFile)(python, args, { cwd: directory });
    expect(stdout.trim().split("\n")).toEqual([
      "console b'ready\\ngot snake\\nend\\n'",
      "status exited with 0",
      "getpid True",
      "traced True True",
      "error INVALID_ARGUMENT True",
    ]);
  },
);
