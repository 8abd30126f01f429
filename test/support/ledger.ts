/**
 * A client's ledger: numbered messages into machines, and which of them were acknowledged. Whatever happens to the server
 * meanwhile, what was acknowledged must be on the console of the machine, in order and once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { ApiError, type Client } from "./client.ts";
import { compileC, sources } from "./guest.ts";

export interface Writer {
  machineId: string;
  /** How the n-th message gets into the machine. */
  write(client: Client, n: number): Promise<unknown>;
  /** Messages sent, and those of them that were acknowledged. */
  acknowledged: number[];
  sent: number;
}

/** By a system call of a remote-driven task. */
export async function remoteWriter(client: Client): Promise<Writer> {
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { machineId } = machine!;
  const { task } = await client.call(TaskService, "createRemoteTask", { machineId });
  const write = (each: Client, n: number) => {
    const text = `${n}\n`;
    const call = { case: "name", value: "write" } as const;
    const values = [
      { case: "integer", value: 1n },
      { case: "text", value: text },
      { case: "integer", value: BigInt(text.length) },
    ] as const;
    return each.call(TaskService, "call", {
      machineId,
      task: task!.task,
      call,
      arguments: values.map((argument) => ({ argument })),
    });
  };
  return { machineId, write, acknowledged: [], sent: 0 };
}

export async function startProgram(client: Client, source: string): Promise<string> {
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data: compileC(source) });
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { machineId } = machine!;
  await client.call(MachineService, "startProgram", {
    machineId,
    program: { case: "programHash", value: program!.programHash },
    run: true,
  });
  return machineId;
}

/** By typing at a program that repeats what it reads. */
export async function consoleWriter(client: Client): Promise<Writer> {
  const machineId = await startProgram(client, sources.echo);
  const write = (each: Client, n: number) =>
    each.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from(`${n}\n`) });
  return { machineId, write, acknowledged: [], sent: 0 };
}

/** Writes until the first message that is not acknowledged: the server is gone. Returns what it was told. */
export async function writeUntilRefused(writer: Writer, client: Client): Promise<unknown> {
  for (;;) {
    const n = ++writer.sent;
    try {
      await writer.write(client, n);
    } catch (error) {
      return error;
    }
    writer.acknowledged.push(n);
  }
}

const REFUSED_PAUSE_MS = 20;

/** Writes until it is told to stop, and goes on after refusals; returns their reasons. */
export async function writeThrough(writer: Writer, client: Client, stop: AbortSignal): Promise<Set<string>> {
  const refusals = new Set<string>();
  while (!stop.aborted) {
    const n = ++writer.sent;
    try {
      await writer.write(client, n);
      writer.acknowledged.push(n);
    } catch (error) {
      refusals.add(error instanceof ApiError ? `${error.code} ${error.reason}` : String(error));
      await sleep(REFUSED_PAUSE_MS);
    }
  }
  return refusals;
}

export async function consoleOf(client: Client, machineId: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for (let offset = 0n; ; ) {
    const read = await client.call(ConsoleService, "readConsole", { machineId, offset });
    if (read.data.length === 0) return Buffer.concat(parts).toString();
    parts.push(read.data);
    offset = read.offset + BigInt(read.data.length);
  }
}

export const numbersIn = (text: string): number[] =>
  (text.match(/^(?:got )?(\d+)$/gm) ?? []).map((line) => Number(line.replace("got ", "")));

/** Everything acknowledged is there, in order; what is there besides was sent, and nothing twice. */
export function checkWriter(writer: Writer, seen: number[]): void {
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
  const there = new Set(seen);
  expect(writer.acknowledged.filter((n) => !there.has(n))).toEqual([]);
  expect(seen.every((n) => n <= writer.sent)).toBe(true);
}
