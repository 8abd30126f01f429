/** The end of a call in which a thread waited: whoever it waited for completes it. */
import { release } from "../../thread/blocking.ts";
import type { Thread } from "../../thread/state.ts";
import { syscallExit } from "../../trace/events/syscall.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { endCall, keepInfo, messageRegisters, setInfo } from "./message.ts";
import { callText, resultText } from "./text.ts";

/** The end of a call is an event of the thread that made it. */
function withEvent(k: Sel4Kernel, thread: Thread, badge: bigint, complete: () => void = () => {}): void {
  if (!k.trace.on(syscallExit)) {
    complete();
    return;
  }
  const number = Number(BigInt.asIntN(32, k.hal.contexts.getCallNumber(thread.context)));
  const raw = k.hal.contexts.getCallArguments(thread.context, 2 + messageRegisters);
  const call = callText(k, thread, number, raw, true);
  complete();
  if (call === null) return;
  const text = call.text + resultText(k, thread, number, call, badge);
  const name = text.slice(0, text.indexOf("("));
  const { subject } = k;
  k.subject = thread;
  k.trace.write(syscallExit, { number: number >>> 0, name, value: BigInt.asIntN(64, badge), error: "", text });
  k.subject = subject;
}

const isRedirected = ({ wait }: Thread): boolean => wait !== null && "redirected" in wait && wait.redirected;

/** It has what it waited for, and goes on. `info`: the tag of the message; null when it was a signal. */
export function completeCall(
  k: Sel4Kernel,
  thread: Thread,
  { badge, info }: { badge: bigint; info: bigint | null },
): void {
  withEvent(k, thread, badge, () => {
    if (info === null) keepInfo(k, thread);
    else setInfo(k, thread, info);
  });
  endCall(k, thread, badge, isRedirected(thread));
  release(k, thread, "message");
}

/** Its message has gone, and it goes on. */
export function completeSend(k: Sel4Kernel, thread: Thread): void {
  withEvent(k, thread, 0n);
  endCall(k, thread, null, isRedirected(thread));
  release(k, thread, "sent");
}
