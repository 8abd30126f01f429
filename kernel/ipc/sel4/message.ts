/**
 * Messages: four words in registers, the others in a buffer that both the thread and the kernel can reach (seL4
 * Reference Manual 13.0.0, section 4.1). Word i of the buffer: 0 the tag, 1 to 120 the message, 121 user data, 122 to
 * 124 capabilities or badges, then root, index and depth of the slot where a capability is to go.
 */
import { Right } from "../../cap/state.ts";
import { pageBytes } from "../../hal/types.ts";
import type { FrameNumber } from "../../lib/ids.ts";
import type { InvocationAnswer } from "../../thread/remote-call.ts";
import type { Thread } from "../../thread/state.ts";
import { capOf, getTcb } from "./access.ts";
import type { Sel4Kernel } from "./kernel.ts";

export const messageRegisters = 4;
export const maxLength = 120;
export const maxExtraCaps = 3;
const bufferWords = { message: 1, capabilities: 122, receiveRoot: 125, receiveIndex: 126, receiveDepth: 127 } as const;
export const ipcBufferBits = 10;
/** Registers by the index of the argument that they are. */
export const badgeArgument = 0;
export const infoArgument = 1;
const firstMessageArgument = 2;

export interface MessageInfo {
  label: bigint;
  capsUnwrapped: number;
  extraCaps: number;
  length: number;
}

export function decodeInfo(word: bigint): MessageInfo {
  const low = Number(BigInt.asUintN(12, word));
  return {
    length: Math.min(low & 127, maxLength),
    extraCaps: (low >> 7) & 3,
    capsUnwrapped: low >> 9,
    label: word >> 12n,
  };
}

export const encodeInfo = ({ label, capsUnwrapped, extraCaps, length }: MessageInfo): bigint =>
  (BigInt.asUintN(52, label) << 12n) | BigInt((capsUnwrapped << 9) | (extraCaps << 7) | length);

/** Words of a message that is all in registers, with no capabilities and nothing else in its tag; null for another one. */
export function shortLength(tag: bigint): number | null {
  const low = Number(BigInt.asUintN(12, tag));
  return low <= messageRegisters ? low : null;
}

export const infoOf = (label: bigint, length: number): bigint =>
  encodeInfo({ label, capsUnwrapped: 0, extraCaps: 0, length });

/** A thread's IPC buffer in physical memory; null when it has none. To receive, it needs one that it may write to. */
export function bufferOf(k: Sel4Kernel, thread: Thread, write: boolean): DataView | null {
  if (thread.tcb === null) return null;
  const { ipcBuffer } = getTcb(k, thread.tcb);
  const cap = capOf(k, thread.tcb, "buffer");
  if (cap?.type !== "frame" || cap.device) return null;
  const needed = write ? Right.read | Right.write : Right.read;
  if ((cap.rights & needed) !== needed) return null;
  const address = cap.address + (ipcBuffer % 2 ** cap.sizeBits);
  const frame = Math.floor((address - k.ramBase) / pageBytes) as FrameNumber;
  const page = write ? k.hal.memory.write(frame) : k.hal.memory.read(frame);
  return new DataView(page.buffer, page.byteOffset + (address % pageBytes), 2 ** ipcBufferBits);
}

const getWord = (buffer: DataView, index: number): bigint => buffer.getBigUint64(index * 8, true);

/** Words of a thread's message; without a buffer there are four. */
export function readMessage(k: Sel4Kernel, thread: Thread, length: number): bigint[] {
  const registers = k.hal.contexts.getCallArguments(thread.context, firstMessageArgument + messageRegisters);
  const words = registers.slice(firstMessageArgument, firstMessageArgument + Math.min(length, messageRegisters));
  const buffer = length > messageRegisters ? bufferOf(k, thread, false) : null;
  if (buffer !== null)
    for (let i = messageRegisters; i < length; i++) words.push(getWord(buffer, bufferWords.message + i));
  return words;
}

/** How many of the words reached the thread: four when it has no buffer. */
export function writeMessage(k: Sel4Kernel, thread: Thread, words: readonly bigint[]): number {
  for (const [i, word] of words.slice(0, messageRegisters).entries())
    k.hal.contexts.setCallArgument(thread.context, firstMessageArgument + i, word);
  if (words.length <= messageRegisters) return words.length;
  const buffer = bufferOf(k, thread, true);
  if (buffer === null) return messageRegisters;
  for (let i = messageRegisters; i < words.length; i++)
    buffer.setBigUint64((bufferWords.message + i) * 8, words[i]!, true);
  return words.length;
}

/** Addresses of the capabilities that go with a message. */
export function extraCapAddresses(k: Sel4Kernel, thread: Thread, count: number): bigint[] {
  const buffer = count > 0 ? bufferOf(k, thread, false) : null;
  if (buffer === null) return [];
  return Array.from({ length: count }, (_, i) => getWord(buffer, bufferWords.capabilities + i));
}

export function writeBadge(k: Sel4Kernel, thread: Thread, index: number, badge: bigint): void {
  bufferOf(k, thread, true)?.setBigUint64((bufferWords.capabilities + index) * 8, badge, true);
}

/** Where the thread wants a capability that it receives. */
export function receivePath(k: Sel4Kernel, thread: Thread): { root: bigint; index: bigint; depth: bigint } | null {
  const buffer = bufferOf(k, thread, false);
  if (buffer === null) return null;
  return {
    root: getWord(buffer, bufferWords.receiveRoot),
    index: getWord(buffer, bufferWords.receiveIndex),
    depth: getWord(buffer, bufferWords.receiveDepth),
  };
}

/** Puts the tag of a message in place; the badge is the call's result. */
export function setInfo(k: Sel4Kernel, thread: Thread, info: bigint): void {
  k.hal.contexts.setCallArgument(thread.context, infoArgument, info);
}

/**
 * The call that a thread stands on is over; `badge` is null for one that has no answer, whose registers stay as they
 * are. A client's is answered when its thread goes on. `stays`: where it goes on is in its registers already.
 */
export function endCall(k: Sel4Kernel, thread: Thread, badge: bigint | null, stays = false): void {
  const { contexts } = k.hal;
  if (badge !== null) contexts.setCallArgument(thread.context, badgeArgument, badge);
  if (!stays) contexts.passCall(thread.context);
  if (thread.call?.invocation !== undefined) thread.call.invocation.over = badge ?? 0n;
}

/** Nothing came but, perhaps, a signal: a program's tag stays what it was, and a client is shown an empty message. */
export function keepInfo(k: Sel4Kernel, thread: Thread): void {
  if (thread.call !== null) setInfo(k, thread, 0n);
}

/** A message as a client has it: what is beyond the registers goes into the buffer, if there is one. */
export interface ClientMessage {
  label: bigint;
  words: readonly bigint[];
  /** Addresses of capabilities that go with it. */
  capabilities: readonly bigint[];
  /** The slot for a capability that comes; null: none is taken. */
  receive: { root: bigint; index: bigint; depth: bigint } | null;
}

/** Puts a client's message where the thread's own would be, and says what its call's arguments are. */
export function layMessage(k: Sel4Kernel, thread: Thread, message: ClientMessage): bigint[] {
  const { label, words, capabilities, receive } = message;
  const info = encodeInfo({ label, capsUnwrapped: 0, extraCaps: capabilities.length, length: words.length });
  const buffer = bufferOf(k, thread, true);
  const put = (index: number, word: bigint): void => buffer?.setBigUint64(index * 8, word, true);
  for (let i = messageRegisters; i < words.length; i++) put(bufferWords.message + i, words[i]!);
  for (const [i, address] of capabilities.entries()) put(bufferWords.capabilities + i, address);
  put(bufferWords.receiveRoot, receive?.root ?? 0n);
  put(bufferWords.receiveIndex, receive?.index ?? 0n);
  put(bufferWords.receiveDepth, receive?.depth ?? 0n);
  return [info, ...words.slice(0, messageRegisters)];
}

/** What a client gets of a call that is over. */
export function clientAnswer(k: Sel4Kernel, thread: Thread, badge: bigint): InvocationAnswer {
  const { receives, fault, ofKernel } = thread.call!.invocation!;
  if (fault !== null) return { kind: "fault", ...fault };
  const none = { label: 0n, extraCaps: 0, capsUnwrapped: 0, length: 0 };
  const info = receives ? decodeInfo(k.hal.contexts.getCallArguments(thread.context, 2)[infoArgument]!) : none;
  return {
    kind: "message",
    badge: receives ? BigInt.asUintN(64, badge) : 0n,
    label: info.label,
    words: readMessage(k, thread, info.length),
    capabilities: info.extraCaps,
    unwrapped: info.capsUnwrapped,
    badges: extraCapAddresses(k, thread, info.extraCaps).filter((_, i) => (info.capsUnwrapped >> i) & 1),
    ofKernel,
  };
}
