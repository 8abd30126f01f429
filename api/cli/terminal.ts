/**
 * Sitting at a machine: the terminal is raw, so every key goes to the machine as it is, Ctrl-C too. Ctrl-] leaves.
 * Without a terminal (a pipe) bytes go through unchanged, and the end of the pipe is the end of the console's input.
 */
import process from "node:process";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AttachConsoleRequestSchema, ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import type { Session } from "./session.ts";

const LEAVE = 0x1d;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

type Request = MessageInitShape<typeof AttachConsoleRequestSchema>;

export async function attachTerminal(
  session: Session,
  machineId: string,
  at: { offset: bigint; task: number },
): Promise<void> {
  const { stdin } = process;
  const raw = stdin.isTTY === true;
  const left = new AbortController();
  if (raw) {
    session.out.note(`at the console of ${machineId}; Ctrl-] leaves`);
    stdin.setRawMode(true);
  }
  try {
    const consoles = await session.service(ConsoleService);
    const requests = typed(machineId, at, () => left.abort());
    for await (const { data } of consoles.attachConsole(requests, { signal: left.signal }))
      await session.out.bytes(data);
  } catch (error) {
    if (!left.signal.aborted) throw error;
  } finally {
    if (raw) stdin.setRawMode(false);
    // A read that is under way would keep the process alive.
    stdin.destroy();
    if (raw) process.stderr.write("\n");
  }
}

/** What is typed, as requests; Enter becomes a newline, the escape key ends it. */
async function* typed(
  machineId: string,
  at: { offset: bigint; task: number },
  leave: () => void,
): AsyncGenerator<Request> {
  yield { message: { case: "open", value: { machineId, offset: at.offset, untilTaskExited: at.task } } };
  const raw = process.stdin.isTTY === true;
  try {
    for await (const chunk of process.stdin) {
      const bytes = chunk as Buffer;
      const leaveAt = raw ? bytes.indexOf(LEAVE) : -1;
      const data = new Uint8Array(leaveAt < 0 ? bytes : bytes.subarray(0, leaveAt));
      const typedBytes = raw ? data.map((byte) => (byte === RETURN ? NEWLINE : byte)) : data;
      if (data.length > 0) yield { message: { case: "data", value: typedBytes } };
      if (leaveAt >= 0) return leave();
    }
  } catch (error) {
    // Torn down by the end of the output.
    if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") return;
    throw error;
  }
  if (!raw) yield { message: { case: "end", value: true } };
}
