/** What a debug build of seL4 tells people on the console. */
import { hex } from "../../lib/bits.ts";
import { encodeText } from "../../lib/text.ts";
import type { Thread } from "../../thread/state.ts";
import type { FaultMessage, WaitKind } from "../../thread/wait.ts";
import { threadOf, worldAt } from "./access.ts";
import { FaultLabel } from "./fault-label.ts";
import type { Sel4Kernel } from "./kernel.ts";

export function printText(k: Sel4Kernel, thread: Thread, text: string): void {
  const bytes = encodeText(text);
  k.outlet.console(thread.task, k.hal.serial.write(bytes), bytes);
}

const nameBytes = 64;
/** A new thread's, after the one that made it. */
export const childName = (parent: string): string => `child of: '${parent}'`.slice(0, nameBytes);

export const nameOf = (k: Sel4Kernel, { tcb }: Thread): string =>
  (tcb === null ? undefined : k.sel4.tcbs.get(tcb)?.name) ?? "";

const waits: Partial<Record<WaitKind, string>> = {
  inactive: "inactive",
  send: "blocked on send",
  receive: "blocked on recv",
  reply: "blocked on reply",
  signal: "blocked on ntfn",
  again: "running",
};

function stateOf(thread: Thread): string {
  if (thread.state === "ready") return "running";
  return waits[thread.wait?.kind ?? "again"] ?? "blocked on call";
}

const row = (name: string, state: string, ip: string, priority: string, core: string): string =>
  `${name.padEnd(40)}\t${state.padEnd(15)}\t${ip.padEnd(18)}\t${priority.padEnd(20)}\t${core}\n`;

/** All threads of the program's world, the newest first. */
export function threadTable(k: Sel4Kernel, caller: Thread): string {
  const own = [...k.sel4.tcbs].flatMap(([address, { name }]) => {
    const thread = worldAt(k, address).task === caller.task ? threadOf(k, address) : null;
    return thread === null ? [] : [{ name, thread }];
  });
  own.sort((a, b) => b.thread.id - a.thread.id);
  const rows = own.map(({ name, thread }) =>
    row(name, stateOf(thread), hex(k.hal.contexts.getPc(thread.context)), String(thread.priority), String(thread.hart)),
  );
  return `Dumping all tcbs!\n${row("Name", "State", "IP", "Prio", "Core")}${"-".repeat(86)}\n${rows.join("")}`;
}

function faultText({ label, words }: FaultMessage): string {
  const [first, second, third, fourth] = words.map(hex);
  switch (label) {
    case FaultLabel.capFault:
      return `cap fault in ${words[2] === 0n ? "send" : "receive"} phase at address ${second}`;
    case FaultLabel.unknownSyscall:
      return `unknown syscall ${BigInt.asIntN(64, words.at(-1)!)}`;
    case FaultLabel.userException:
      return `user exception ${third} code ${fourth}`;
    default:
      return `vm fault on ${words[2] === 0n ? "data" : "code"} at address ${second} with status ${fourth ?? first}`;
  }
}

/** A fault that nobody handles: it could not be sent to where the handler should be. */
export function reportFault(k: Sel4Kernel, thread: Thread, fault: FaultMessage): void {
  const tcb = thread.tcb === null ? undefined : k.sel4.tcbs.get(thread.tcb);
  const handler = `Caught cap fault in send phase at address ${hex(tcb?.faultHandler ?? 0n)}`;
  const where = `in thread ${hex(BigInt(thread.tcb ?? 0))} "${nameOf(k, thread)}" at address ${hex(fault.words[0]!)}`;
  printText(k, thread, `${handler}\nwhile trying to handle:\n${faultText(fault)}\n${where}\n`);
}
