/** siginfo_t as it lies in memory (asm-generic/siginfo.h): 128 bytes, of which the code says what is in them. */
import type { SignalInfo } from "../../thread/state.ts";

export const siginfoBytes = 128;
const ticksPerSecond = 100n;

const toTicks = (ns: number): bigint => (BigInt(ns) * ticksPerSecond) / 1_000_000_000n;

export function encodeSignalInfo({ signal, code, detail }: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(siginfoBytes);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, signal, true);
  view.setInt32(8, code, true);
  switch (detail.kind) {
    case "sender":
      view.setInt32(16, detail.pid, true);
      view.setUint32(20, detail.uid, true);
      view.setBigUint64(24, BigInt.asUintN(64, detail.value), true);
      break;
    case "child":
      view.setInt32(16, detail.pid, true);
      view.setUint32(20, detail.uid, true);
      view.setInt32(24, detail.status, true);
      view.setBigInt64(32, toTicks(detail.userNs), true);
      break;
    case "fault":
      view.setBigUint64(16, detail.address, true);
      break;
    case "timer":
      view.setInt32(16, detail.timer, true);
      view.setInt32(20, detail.overrun, true);
      view.setBigUint64(24, BigInt.asUintN(64, detail.value), true);
      break;
    case "none":
      break;
  }
  return bytes;
}

/** What a sender of its own information wants to be told (rt_sigqueueinfo(2)). */
export function decodeSignalInfo(signal: number, bytes: Uint8Array): SignalInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const detail = {
    kind: "sender",
    pid: view.getInt32(16, true),
    uid: view.getUint32(20, true),
    value: view.getBigUint64(24, true),
  } as const;
  return { signal, code: view.getInt32(8, true), detail };
}
