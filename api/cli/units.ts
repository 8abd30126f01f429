/** Numbers as people write and read them: sizes (64M), counts (10M), durations (1.5s), addresses (0x80000000). */
import { InvalidArgumentError } from "commander";

const SIZES: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
const COUNTS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const DURATIONS_NS: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

function whole(value: number, given: string): number {
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError(`${given} is not a whole number below 2^53.`);
  return value;
}

/** 65536, 64K, 64M, 64MiB, 1G → bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError("Give bytes, or K, M, G (powers of 1024), for example 64M.");
  return whole(Number(match[1]) * SIZES[match[2]!.toLowerCase()]!, text);
}

/** 1000, 10k, 1.5M, 2G, 1e9 → a number of instructions or events. */
export function parseCount(text: string): number {
  const match = /^(\d+(?:\.\d+)?(?:e\d+)?)([kmgt]?)$/i.exec(text.replaceAll("_", ""));
  if (match === null) throw new InvalidArgumentError("Give a number, or k, M, G (powers of 1000), for example 10M.");
  return whole(Number(match[1]) * COUNTS[match[2]!.toLowerCase()]!, text);
}

function parseNs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)?$/.exec(text);
  if (match === null)
    throw new InvalidArgumentError("Give a time with its unit (ns, us, ms, s, m, h), for example 1.5s.");
  return Number(match[1]) * DURATIONS_NS[match[2] ?? "s"]!;
}

/** 500ms, 10s, 2m; a bare number is seconds. */
export const parseDurationMs = (text: string): number => Math.ceil(parseNs(text) / 1e6);
export const parseDurationNs = (text: string): number => whole(Math.round(parseNs(text)), text);

/** 4096, 0x1000. */
export function parseAddress(text: string): bigint {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) throw new InvalidArgumentError("Give an address, for example 0x80000000.");
  return BigInt(text);
}

export function parseTask(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError("Give a task number, for example 1 (see `ostler machine tasks`).");
  return Number(text);
}

/** 10%, 0.5% → a share from 0 to 1. */
export function parsePercent(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?)%?$/.exec(text)?.[1] ?? Number.NaN);
  if (!(percent <= 100)) throw new InvalidArgumentError("Give a percentage from 0% to 100%, for example 10%.");
  return percent / 100;
}

/** Collects a repeatable option. */
export const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];

/** "name=value" pairs as a map. */
export function collectPair(value: string, earlier: Record<string, string> = {}): Record<string, string> {
  const split = value.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("Give name=value, for example course=os1.");
  return { ...earlier, [value.slice(0, split)]: value.slice(split + 1) };
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (rest >= step && unit < units.length - 1) {
    rest /= step;
    unit += 1;
  }
  if (unit === 0) return `${rest}${units[0]}`;
  // 1023.96 KiB would round up to four digits: one digit after the point below 100, none above.
  return `${rest < 99.95 ? rest.toFixed(1).replace(/\.0$/, "") : Math.round(rest)}${units[unit]}`;
}

export const formatSize = (bytes: bigint | number): string =>
  scaled(Number(bytes), 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
export const formatCount = (count: bigint | number): string =>
  scaled(Number(count), 1000, ["", " k", " M", " G", " T"]);
export const formatNs = (ns: bigint | number): string => {
  const value = Number(ns);
  if (value >= 60e9) return `${Math.floor(value / 60e9)} min ${Math.round((value % 60e9) / 1e9)} s`;
  return scaled(value, 1000, [" ns", " us", " ms", " s"]);
};
export const formatHex = (value: bigint | number): string => `0x${value.toString(16)}`;

export function formatTime(at: { seconds: bigint } | undefined): string {
  if (at === undefined) return "-";
  return new Date(Number(at.seconds) * 1000).toISOString().replace("T", " ").slice(0, 19);
}
