/**
 * Sitting at a machine: the terminal is raw, so every key goes to the machine at once, Ctrl-C too. Ctrl-] leaves,
 * Ctrl-D is the end of the console's input. The machine's console is a raw line that echoes nothing, so what is
 * typed is shown from here. A machine that boots bare has a serial line and a terminal driver of its own: every key goes
 * there as it is, but for Ctrl-]. Without a terminal (a pipe) bytes go through unchanged, and so does their end.
 */
import process from "node:process";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AttachConsoleRequestSchema, ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import type { Session } from "./session.ts";

const LEAVE = 0x1d;
const END = 0x04;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const TAB = 0x09;
const DELETE = 0x7f;
const CARET = 0x5e;

type Request = MessageInitShape<typeof AttachConsoleRequestSchema>;

export interface Attachment {
  machineId: string;
  /** Output from here on is shown. */
  offset: bigint;
  /** Ends with this task; 0: with the user's patience. */
  task: number;
  echo: boolean;
  /** What is typed goes to a driver of the guest's own. */
  isSerialLine: boolean;
}

export async function attachTerminal(session: Session, at: Attachment): Promise<void> {
  const { stdin } = process;
  const raw = stdin.isTTY === true;
  const left = new AbortController();
  if (raw) {
    session.out.note(`at the console of ${at.machineId}; Ctrl-] leaves`);
    stdin.setRawMode(true);
  }
  try {
    const consoles = await session.service(ConsoleService);
    const requests = typed(session, at, raw, () => left.abort());
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

/** What is typed, as requests. */
async function* typed(session: Session, at: Attachment, raw: boolean, leave: () => void): AsyncGenerator<Request> {
  yield { message: { case: "open", value: { machineId: at.machineId, offset: at.offset, untilTaskExited: at.task } } };
  try {
    for await (const chunk of process.stdin) {
      if (!raw) {
        yield { message: { case: "data", value: new Uint8Array(chunk as Buffer) } };
        continue;
      }
      const keys = at.isSerialLine ? readSerialKeys(chunk as Buffer) : readKeys(chunk as Buffer);
      if (at.echo && !at.isSerialLine) await session.out.bytes(echoOf(keys.data));
      if (keys.data.length > 0) yield { message: { case: "data", value: keys.data } };
      if (keys.end === "leave") return leave();
      if (keys.end === "end") yield { message: { case: "end", value: true } };
    }
  } catch (error) {
    // Torn down by the end of the output.
    if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") return;
    throw error;
  }
  if (!raw) yield { message: { case: "end", value: true } };
}

interface Keys {
  data: Uint8Array<ArrayBuffer>;
  end: "leave" | "end" | null;
}

/** For a driver of the guest's own everything goes as it is, up to the key that leaves. */
export function readSerialKeys(bytes: Uint8Array): Keys {
  const stop = bytes.indexOf(LEAVE);
  return { data: new Uint8Array(stop < 0 ? bytes : bytes.subarray(0, stop)), end: stop < 0 ? null : "leave" };
}

/** What goes to the machine, up to a key that means something here; Enter becomes a newline. */
export function readKeys(bytes: Uint8Array): Keys {
  const stop = bytes.findIndex((byte) => byte === LEAVE || byte === END);
  const data = new Uint8Array(stop < 0 ? bytes : bytes.subarray(0, stop)).map((byte) =>
    byte === RETURN ? NEWLINE : byte,
  );
  return { data, end: stop < 0 ? null : bytes[stop] === LEAVE ? "leave" : "end" };
}

/** As a terminal line would show it: control characters as ^C. */
export function echoOf(data: Uint8Array): Uint8Array {
  const shown: number[] = [];
  for (const byte of data) {
    const isControl = (byte < 0x20 && byte !== NEWLINE && byte !== TAB) || byte === DELETE;
    if (isControl) shown.push(CARET, byte ^ 0x40);
    else shown.push(byte);
  }
  return new Uint8Array(shown);
}
