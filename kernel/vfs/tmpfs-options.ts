/** What a tmpfs can be mounted with (tmpfs(5)): read from mount(2)'s text, and shown in /proc/<pid>/mounts. */
import { pageBytes } from "../hal/types.ts";
import type { TmpfsOptions } from "./state.ts";

/** What was asked for, and what was not said. */
export type WantedOptions = Partial<TmpfsOptions>;

const units = ["", "k", "m", "g", "t", "p", "e"];

/** A count with a unit (memparse): null for what is none. */
function countOf(text: string): number | null {
  const found = /^(0[xX][0-9a-fA-F]+|[0-9]+)([kKmMgGtTpPeE]?)$/.exec(text);
  if (found === null) return null;
  const digits = found[1]!;
  const base = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return Math.min(base * 1024 ** units.indexOf(found[2]!.toLowerCase()), Number.MAX_SAFE_INTEGER);
}

/** Pages of a size in bytes, or in per cent of the machine's memory; null for no bound, undefined for what is no size. */
function pagesOf(text: string, machinePages: number): number | null | undefined {
  const share = text.endsWith("%") ? countOf(text.slice(0, -1)) : null;
  const bytes = share === null ? countOf(text) : Math.floor((share * machinePages) / 100) * pageBytes;
  return bytes === null ? undefined : bounded(Math.ceil(bytes / pageBytes));
}

const bounded = (count: number | null): number | null | undefined =>
  count === null ? undefined : count === 0 ? null : count;

function idOf(text: string): number | undefined {
  const id = countOf(text);
  return id === null || /[a-z]$/i.test(text.replace(/^0x/i, "")) || id >= 0xffff_ffff ? undefined : id;
}

const modeOf = (text: string): number | undefined =>
  /^[0-7]{1,11}$/.test(text) ? Number.parseInt(text, 8) & 0o7777 : undefined;

/** By name, what its text means; undefined: nothing. */
const known: Readonly<Record<string, (text: string, machinePages: number) => WantedOptions | undefined>> = {
  size: (text, machinePages) => keyed("pages", pagesOf(text, machinePages)),
  nr_blocks: (text) => keyed("pages", bounded(countOf(text))),
  nr_inodes: (text) => keyed("inodes", bounded(countOf(text))),
  mode: (text) => keyed("mode", modeOf(text)),
  uid: (text) => keyed("uid", idOf(text)),
  gid: (text) => keyed("gid", idOf(text)),
  // Pages are all of one size.
  huge: (text) => (text === "never" ? {} : undefined),
};

function keyed<Key extends keyof TmpfsOptions>(key: Key, value: TmpfsOptions[Key] | undefined) {
  return value === undefined ? undefined : { [key]: value };
}

/** Of these there is only one way that they could be: numbers have 64 bits, and nothing is swapped. */
const noted = ["inode64", "noswap"];

/** The options in a text, separated by commas; null: one of them is none, or says nothing. */
export function readTmpfsOptions(text: string, machinePages: number): WantedOptions | null {
  const wanted: WantedOptions = {};
  for (const part of text.split(",")) {
    if (part === "" || noted.includes(part)) continue;
    const at = part.indexOf("=");
    const read = at < 0 ? undefined : known[part.slice(0, at)];
    const value = read?.(part.slice(at + 1), machinePages);
    if (value === undefined) return null;
    Object.assign(wanted, value);
  }
  return wanted;
}

/** What a bound is that nobody asked for: of pages, and of inodes. */
export const usualBound = (machinePages: number): number => Math.floor(machinePages / 2);

/** As /proc/<pid>/mounts has them: what is not as it would be without being asked for. */
export function showTmpfsOptions({ pages, inodes, mode, uid, gid }: TmpfsOptions, machinePages: number): string {
  const usual = usualBound(machinePages);
  return [
    ...(pages === usual ? [] : [`size=${(pages ?? 0) * (pageBytes / 1024)}k`]),
    ...(inodes === usual ? [] : [`nr_inodes=${inodes ?? 0}`]),
    ...(mode === 0o1777 ? [] : [`mode=${mode.toString(8).padStart(3, "0")}`]),
    ...(uid === 0 ? [] : [`uid=${uid}`]),
    ...(gid === 0 ? [] : [`gid=${gid}`]),
  ]
    .map((word) => `,${word}`)
    .join("");
}
