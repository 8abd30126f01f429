/** Character devices that are nothing but their behaviour: what reading and writing /dev/null and its like does. */
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import { randomBytes } from "../lib/random.ts";
import type { FileKernel } from "./kernel.ts";

export interface CharacterDevice {
  name: string;
  major: number;
  minor: number;
  mode: number;
  read(k: FileKernel, count: number): Uint8Array;
  /** How many bytes it takes of those that are written. */
  write(count: number): number | Errno;
}

const zeros = (k: FileKernel, count: number): Uint8Array => {
  spend(k.effort, count, "bytes");
  return new Uint8Array(count);
};
const random = (k: FileKernel, count: number): Uint8Array => {
  spend(k.effort, 16 * count, "bytes");
  return randomBytes(k.random, count);
};
const sink = (count: number): number => count;

const memory = (
  name: string,
  minor: number,
  read: CharacterDevice["read"],
  write: CharacterDevice["write"] = sink,
): CharacterDevice => ({ name, major: 1, minor, mode: 0o666, read, write });

export const devices: readonly CharacterDevice[] = [
  memory("null", 3, () => new Uint8Array(0)),
  memory("zero", 5, zeros),
  memory("full", 7, zeros, () => "ENOSPC"),
  memory("random", 8, random),
  memory("urandom", 9, random),
];

/** Devices that stand for the machine's console; the first one where that is the terminal of who opens it. */
export const consoles = [
  { name: "tty", major: 5, minor: 0, mode: 0o666 },
  { name: "console", major: 5, minor: 1, mode: 0o600 },
  { name: "ttyS0", major: 4, minor: 64, mode: 0o600 },
] as const;

/** What makes a pseudo-terminal, and the major number of the slaves' sides. */
export const ptmx = { name: "ptmx", major: 5, minor: 2, mode: 0o666 } as const;
export const slaveMajor = 136;
/** Whatever terminal controls the session of who opens it. */
export const isOwnTerminal = (major: number, minor: number): boolean => major === 5 && minor === 0;

const is =
  (major: number, minor: number) =>
  (device: { major: number; minor: number }): boolean =>
    device.major === major && device.minor === minor;

export const deviceOf = (major: number, minor: number): CharacterDevice | undefined => devices.find(is(major, minor));
export const isConsole = (major: number, minor: number): boolean => consoles.some(is(major, minor));
