/** System V's message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
import {
  lookAgain,
  placeOf,
  receiversOf,
  removeQueue,
  type Selection,
  send,
  take,
  waitToSend,
} from "../../ipc/sysv/messages.ts";
import { find, getObject, highestIndex, IpcAccess, namespaceOf, permits } from "../../ipc/sysv/objects.ts";
import type { IpcObject, Message, MessageQueue } from "../../ipc/sysv/state.ts";
import { joinBytes } from "../../lib/bytes.ts";
import { spend } from "../../lib/effort.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { numberFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { address, choice, flags, inout, int, long } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { Control, changeOwner, readStruct, tell, toControl, toTell } from "./ipc-control.ts";
import { msginfo, msqidDs, ownerOf } from "./ipc-layouts.ts";
import type { LinuxKernel } from "./kernel.ts";

const Get = { IPC_CREAT: 0o1000, IPC_EXCL: 0o2000 } as const;
const SendFlag = { IPC_NOWAIT: 0o4000 } as const;
const ReceiveFlag = { MSG_NOERROR: 0o10000, MSG_EXCEPT: 0o20000, MSG_COPY: 0o40000, ...SendFlag } as const;
const Command = { ...Control, MSG_STAT: 11, MSG_INFO: 12, MSG_STAT_ANY: 13 } as const;
/** Before the bytes of a message in memory. */
const typeBytes = 8;

const emptyQueue = (base: IpcObject): MessageQueue => ({
  ...base,
  ...{ messages: [], bytes: 0, mostBytes: limits.ipcQueueBytes },
  ...{ sentAt: 0, receivedAt: 0, lastSender: 0, lastReceiver: 0 },
});

function get(k: LinuxKernel, task: Task, key: number, wanted: number): Outcome {
  const any = () => null;
  const kind = { fits: any, problem: any, make: emptyQueue };
  const id = getObject(k, task, ({ queues }) => queues, { key, flags: wanted }, kind);
  return typeof id === "number" ? done(id) : fail(id);
}

const encodeType = (type: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(type).buffer);

function sendTo(k: LinuxKernel, { task }: Call, id: number, where: bigint, bytes: bigint, how: number): Outcome {
  const memory = getSpace(k, task.space);
  const head = copyIn(k, memory, where, typeBytes);
  if (!head.ok) return fail(head.errno);
  if (bytes < 0n || bytes > BigInt(limits.ipcMessage) || id < 0) return fail("EINVAL");
  const type = new DataView(head.value.buffer, head.value.byteOffset, typeBytes).getBigInt64(0, true);
  if (type < 1n) return fail("EINVAL");
  const body = copyIn(k, memory, where + BigInt(typeBytes), Number(bytes));
  if (!body.ok) return fail(body.errno);
  const queue = find(namespaceOf(k, task).queues, id);
  if (queue === null) return fail("EINVAL");
  if (!permits(k, task, queue, IpcAccess.write)) return fail("EACCES");
  const message: Message = { type, bytes: body.value };
  const sent = send(k, task, queue, message);
  if (sent === "ENOMEM") return fail(sent);
  if (sent !== null) return done(0);
  if (how & SendFlag.IPC_NOWAIT) return fail("EAGAIN");
  return { kind: "blocked", wait: waitToSend(task, queue, message) };
}

/** A message reaches the receiver's memory, cut to what there is room for. */
function deliver(k: LinuxKernel, task: Task, where: bigint, most: number, { type, bytes }: Message): Outcome {
  const cut = bytes.subarray(0, most);
  const errno = copyOut(k, getSpace(k, task.space), where, joinBytes([encodeType(type), cut]));
  return errno === null ? done(cut.length) : fail(errno);
}

/** MSG_COPY: the message at a place, which stays there. */
function copyAt(k: LinuxKernel, task: Task, queue: MessageQueue, args: ReceiveArguments, most: number): Outcome {
  const { type: at, message: where, flags: how } = args;
  const message = at < 0n ? undefined : queue.messages[Number(at)];
  if (message === undefined) return fail("ENOMSG");
  if (message.bytes.length > most) return fail(how & ReceiveFlag.MSG_NOERROR ? "EINVAL" : "E2BIG");
  return deliver(k, task, where, most, message);
}

interface ReceiveArguments {
  id: number;
  message: bigint;
  bytes: bigint;
  type: bigint;
  flags: number;
}

function receive(k: LinuxKernel, { task, progress }: Call, args: ReceiveArguments): Outcome {
  const { id, message: where, bytes, flags: how } = args;
  if (id < 0 || bytes < 0n) return fail("EINVAL");
  const most = Number(bytes > BigInt(limits.ipcQueueBytes) ? BigInt(Number.MAX_SAFE_INTEGER) : bytes);
  if (progress?.kind === "messageReceive" && progress.handed !== null)
    return deliver(k, task, where, most, progress.handed);
  const waits = (how & ReceiveFlag.IPC_NOWAIT) === 0;
  const copies = (how & ReceiveFlag.MSG_COPY) !== 0;
  if (copies && (waits || how & ReceiveFlag.MSG_EXCEPT)) return fail("EINVAL");
  const queue = find(namespaceOf(k, task).queues, id);
  if (queue === null) return fail(progress === null ? "EINVAL" : "EIDRM");
  if (!permits(k, task, queue, IpcAccess.read)) return fail("EACCES");
  const cuts = (how & ReceiveFlag.MSG_NOERROR) !== 0;
  if (copies) return copyAt(k, task, queue, args, most);
  // The lowest of all cannot be negated as a number of 64 bits.
  const type = args.type === -(2n ** 63n) ? args.type + 1n : args.type;
  const selection: Selection = { type, except: (how & ReceiveFlag.MSG_EXCEPT) !== 0 };
  const at = placeOf(k, queue, selection);
  if (at >= 0) {
    if (queue.messages[at]!.bytes.length > most && !cuts) return fail("E2BIG");
    return deliver(k, task, where, most, take(k, task, queue, at));
  }
  if (!waits) return fail("ENOMSG");
  const name = receiversOf(task.namespaces.ipc, queue);
  return {
    kind: "blocked",
    wait: { kind: "messageReceive", queue: name, deadlineNs: null, selection, most, cuts, handed: null },
  };
}

const bounds = {
  msgpool: (limits.ipcObjects * limits.ipcQueueBytes) / 1024,
  msgmap: limits.ipcQueueBytes,
  msgmax: limits.ipcMessage,
  msgmnb: limits.ipcQueueBytes,
  msgmni: limits.ipcObjects,
  msgssz: 16,
  msgtql: limits.ipcQueueBytes,
  msgseg: 0xffff,
};

/** IPC_INFO, and MSG_INFO with what there is in the place of three bounds. */
function tellBounds(k: LinuxKernel, task: Task, where: bigint, withUse: boolean): Outcome {
  const { queues } = namespaceOf(k, task);
  spend(k.effort, queues.entries.size, "items");
  let [messages, bytes] = [0, 0];
  for (const queue of queues.entries.values()) {
    messages += queue.messages.length;
    bytes += queue.bytes;
  }
  const told = withUse ? { ...bounds, msgpool: queues.entries.size, msgmap: messages, msgtql: bytes } : bounds;
  return tell(k, task, where, msginfo, told, highestIndex(k, queues));
}

const describe = (k: LinuxKernel, reader: Task, queue: MessageQueue) => ({
  ...ownerOf(k, reader, queue),
  stime: BigInt(queue.sentAt),
  rtime: BigInt(queue.receivedAt),
  ctime: BigInt(queue.changedAt),
  cbytes: BigInt(queue.bytes),
  qnum: BigInt(queue.messages.length),
  qbytes: BigInt(queue.mostBytes),
  lspid: numberFor(k, reader, queue.lastSender),
  lrpid: numberFor(k, reader, queue.lastReceiver),
});

function change(k: LinuxKernel, task: Task, id: number, where: bigint): Outcome {
  const wanted = readStruct(k, task, where, msqidDs);
  if (typeof wanted === "string") return fail(wanted);
  const queue = toControl(k, task, namespaceOf(k, task).queues, id);
  if (typeof queue === "string") return fail(queue);
  const { qbytes } = wanted.read;
  if (qbytes > BigInt(limits.ipcQueueBytes) && !hasCapability(task.credentials, Cap.SYS_RESOURCE)) return fail("EPERM");
  const errno = changeOwner(k, task, queue, wanted.read);
  if (errno !== null) return fail(errno);
  queue.mostBytes = Number(qbytes > BigInt(limits.ipcMessageBytes) ? BigInt(limits.ipcMessageBytes) : qbytes);
  lookAgain(k, task.namespaces.ipc, queue);
  return done(0);
}

function control(k: LinuxKernel, task: Task, id: number, command: number, where: bigint): Outcome {
  if (id < 0) return fail("EINVAL");
  const { queues } = namespaceOf(k, task);
  switch (command) {
    case Command.IPC_INFO:
    case Command.MSG_INFO:
      return tellBounds(k, task, where, command === Command.MSG_INFO);
    case Command.IPC_STAT:
    case Command.MSG_STAT:
    case Command.MSG_STAT_ANY: {
      const how = { byIndex: command !== Command.IPC_STAT, any: command === Command.MSG_STAT_ANY };
      const found = toTell(k, task, queues, id, how);
      if (typeof found === "string") return fail(found);
      return tell(k, task, where, msqidDs, describe(k, task, found.object), found.value);
    }
    case Command.IPC_SET:
      return change(k, task, id, where);
    case Command.IPC_RMID: {
      const queue = toControl(k, task, queues, id);
      if (typeof queue === "string") return fail(queue);
      removeQueue(k, task.namespaces.ipc, queues, queue);
      return done(0);
    }
    default:
      return fail("EINVAL");
  }
}

export const messageCalls = [
  syscall({
    name: "msgget",
    nr: { rv64: 186 },
    support: "full",
    args: { key: int, flags: flags(Get) },
    errors: ["EACCES", "EEXIST", "ENOENT", "ENOSPC"],
    run: (k: LinuxKernel, { key, flags }, { task }) => get(k, task, key, flags),
  }),
  syscall({
    name: "msgctl",
    nr: { rv64: 187 },
    support: "full",
    args: { id: int, command: choice(Command), buffer: inout("msqid_ds") },
    errors: ["EACCES", "EFAULT", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { id, command, buffer }, { task }) => control(k, task, id, command, buffer),
  }),
  syscall({
    name: "msgrcv",
    nr: { rv64: 188 },
    support: "full",
    args: { id: int, message: inout("msgbuf"), bytes: long, type: long, flags: flags(ReceiveFlag) },
    errors: ["E2BIG", "EACCES", "EFAULT", "EIDRM", "EINTR", "EINVAL", "ENOMEM", "ENOMSG"],
    run: (k: LinuxKernel, args, call) => receive(k, call, args),
  }),
  syscall({
    name: "msgsnd",
    nr: { rv64: 189 },
    support: "full",
    args: { id: int, message: address, bytes: long, flags: flags(SendFlag) },
    errors: ["EACCES", "EAGAIN", "EFAULT", "EIDRM", "EINTR", "EINVAL", "ENOMEM"],
    run: (k: LinuxKernel, { id, message, bytes, flags }, call) => sendTo(k, call, id, message, bytes, flags),
  }),
] as const;
