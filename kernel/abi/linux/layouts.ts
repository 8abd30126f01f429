/** C structures of the riscv64 Linux ABI (asm-generic uapi headers): name, size, and where each member lies. */

import { pageBytes } from "../../hal/types.ts";
import { signalName } from "../../lib/signals.ts";
import { encodeText } from "../../lib/text.ts";
import type { SignalInfo, Usage } from "../../thread/state.ts";
import type { Layout } from "../define/arguments.ts";
import { decodeSignalInfo, encodeSignalInfo, siginfoBytes } from "./siginfo.ts";

const scalars = {
  u8: {
    get: (view: DataView, at: number) => view.getUint8(at),
    set: (view: DataView, at: number, value: number) => view.setUint8(at, value),
  },
  u16: {
    get: (view: DataView, at: number) => view.getUint16(at, true),
    set: (view: DataView, at: number, value: number) => view.setUint16(at, value, true),
  },
  i16: {
    get: (view: DataView, at: number) => view.getInt16(at, true),
    set: (view: DataView, at: number, value: number) => view.setInt16(at, value, true),
  },
  u32: {
    get: (view: DataView, at: number) => view.getUint32(at, true),
    set: (view: DataView, at: number, value: number) => view.setUint32(at, value, true),
  },
  i32: {
    get: (view: DataView, at: number) => view.getInt32(at, true),
    set: (view: DataView, at: number, value: number) => view.setInt32(at, value, true),
  },
  u64: {
    get: (view: DataView, at: number) => view.getBigUint64(at, true),
    set: (view: DataView, at: number, value: bigint) => view.setBigUint64(at, value, true),
  },
  i64: {
    get: (view: DataView, at: number) => view.getBigInt64(at, true),
    set: (view: DataView, at: number, value: bigint) => view.setBigInt64(at, value, true),
  },
} as const;
type Scalar = keyof typeof scalars;
type Members = Readonly<Record<string, readonly [at: number, type: Scalar]>>;
type MemberValues<M extends Members> = { [Name in keyof M]: M[Name][1] extends "u64" | "i64" ? bigint : number };

/** A structure of scalars; members that are not named are zero. */
export function layout<const M extends Members>(name: string, bytes: number, members: M): Layout<MemberValues<M>> {
  const list = Object.entries(members);
  return {
    name,
    bytes,
    read: (view) =>
      Object.fromEntries(list.map(([member, [at, type]]) => [member, scalars[type].get(view, at)])) as MemberValues<M>,
    write(view, value) {
      const values = value as Readonly<Record<string, number | bigint>>;
      for (const [member, [at, type]] of list)
        (scalars[type].set as (view: DataView, at: number, value: unknown) => void)(view, at, values[member]);
    },
    show: (value) =>
      `{${list.map(([member]) => `${member}=${(value as Readonly<Record<string, unknown>>)[member]}`).join(", ")}}`,
  };
}

export const timespec = layout("timespec", 16, { tv_sec: [0, "i64"], tv_nsec: [8, "i64"] });
export type Timespec = { tv_sec: bigint; tv_nsec: bigint };
export const timeval = layout("timeval", 16, { tv_sec: [0, "i64"], tv_usec: [8, "i64"] });
export const itimerval = layout("itimerval", 32, {
  interval_sec: [0, "i64"],
  interval_usec: [8, "i64"],
  value_sec: [16, "i64"],
  value_usec: [24, "i64"],
});
export type ItimerVal = Parameters<typeof itimerval.write>[1];
export const itimerspec = layout("itimerspec", 32, {
  interval_sec: [0, "i64"],
  interval_nsec: [8, "i64"],
  value_sec: [16, "i64"],
  value_nsec: [24, "i64"],
});
export type ItimerSpec = Parameters<typeof itimerspec.write>[1];
export const sigevent = layout("sigevent", 64, {
  value: [0, "u64"],
  signal: [8, "i32"],
  notify: [12, "i32"],
  thread: [16, "i32"],
});
export const idWord = layout("id", 4, { id: [0, "u32"] });
export const schedAttr = layout("sched_attr", 56, {
  size: [0, "u32"],
  policy: [4, "u32"],
  flags: [8, "u64"],
  nice: [16, "i32"],
  priority: [20, "i32"],
});
export const schedParam = layout("sched_param", 4, { priority: [0, "i32"] });
export const timerId = layout("timer_t", 4, { id: [0, "i32"] });
export const timezone = layout("timezone", 8, { tz_minuteswest: [0, "i32"], tz_dsttime: [4, "i32"] });
export const rlimit = layout("rlimit64", 16, { rlim_cur: [0, "u64"], rlim_max: [8, "u64"] });
/** What pselect6(2) gets in place of a mask: where it is, and its size. */
export const maskPointer = layout("sigset_argpack", 16, { address: [0, "u64"], bytes: [8, "u64"] });
export const epollEvent = layout("epoll_event", 16, { events: [0, "u32"], data: [8, "u64"] });
export const flock = layout("flock", 32, {
  l_type: [0, "i16"],
  l_whence: [2, "i16"],
  l_start: [8, "i64"],
  l_len: [16, "i64"],
  l_pid: [24, "i32"],
});
export const signalSet = layout("sigset", 8, { mask: [0, "u64"] });
export const sigaction = layout("sigaction", 24, {
  sa_handler: [0, "u64"],
  sa_flags: [8, "u64"],
  sa_mask: [16, "u64"],
});
export type Sigaction = { sa_handler: bigint; sa_flags: bigint; sa_mask: bigint };
export const stackLayout = layout("stack_t", 24, { address: [0, "u64"], flags: [8, "u32"], size: [16, "u64"] });

export const siginfo: Layout<SignalInfo> = {
  name: "siginfo",
  bytes: siginfoBytes,
  read: (view) => decodeSignalInfo(view.getInt32(0, true), new Uint8Array(view.buffer, view.byteOffset, siginfoBytes)),
  write: (view, info) => new Uint8Array(view.buffer, view.byteOffset, siginfoBytes).set(encodeSignalInfo(info)),
  show: ({ signal, code }) => `{si_signo=${signalName(signal)}, si_code=${code}, ...}`,
};

export const tms = layout("tms", 32, {
  tms_utime: [0, "i64"],
  tms_stime: [8, "i64"],
  tms_cutime: [16, "i64"],
  tms_cstime: [24, "i64"],
});

export const rusage = layout("rusage", 144, {
  utime_sec: [0, "i64"],
  utime_usec: [8, "i64"],
  maxrss: [32, "i64"],
  minflt: [64, "i64"],
});

/** siginfo_t as waitid(2) fills it in. */
export const siginfoChild = layout("siginfo", 128, {
  si_signo: [0, "i32"],
  si_code: [8, "i32"],
  si_pid: [16, "i32"],
  si_uid: [20, "u32"],
  si_status: [24, "i32"],
});

export const waitWord = layout("status", 4, { status: [0, "i32"] });

export const sysinfo = layout("sysinfo", 112, {
  uptime: [0, "i64"],
  totalram: [32, "u64"],
  freeram: [40, "u64"],
  bufferram: [56, "u64"],
  procs: [80, "u16"],
  mem_unit: [104, "u32"],
});

export const stat = layout("stat", 128, {
  st_dev: [0, "u64"],
  st_ino: [8, "u64"],
  st_mode: [16, "u32"],
  st_nlink: [20, "u32"],
  st_uid: [24, "u32"],
  st_gid: [28, "u32"],
  st_rdev: [32, "u64"],
  st_size: [48, "i64"],
  st_blksize: [56, "i32"],
  st_blocks: [64, "i64"],
  st_atime: [72, "i64"],
  st_atime_nsec: [80, "i64"],
  st_mtime: [88, "i64"],
  st_mtime_nsec: [96, "i64"],
  st_ctime: [104, "i64"],
  st_ctime_nsec: [112, "i64"],
});
export type Stat = Parameters<typeof stat.write>[1];

export const statx = layout("statx", 256, {
  stx_mask: [0, "u32"],
  stx_blksize: [4, "u32"],
  stx_attributes: [8, "u64"],
  stx_nlink: [16, "u32"],
  stx_uid: [20, "u32"],
  stx_gid: [24, "u32"],
  stx_mode: [28, "u16"],
  stx_ino: [32, "u64"],
  stx_size: [40, "u64"],
  stx_blocks: [48, "u64"],
  stx_attributes_mask: [56, "u64"],
  stx_atime: [64, "i64"],
  stx_atime_nsec: [72, "u32"],
  stx_btime: [80, "i64"],
  stx_btime_nsec: [88, "u32"],
  stx_ctime: [96, "i64"],
  stx_ctime_nsec: [104, "u32"],
  stx_mtime: [112, "i64"],
  stx_mtime_nsec: [120, "u32"],
  stx_rdev_major: [128, "u32"],
  stx_rdev_minor: [132, "u32"],
  stx_dev_major: [136, "u32"],
  stx_dev_minor: [140, "u32"],
  stx_mnt_id: [144, "u64"],
});
export type Statx = Parameters<typeof statx.write>[1];

export const statfs = layout("statfs", 120, {
  f_type: [0, "i64"],
  f_bsize: [8, "i64"],
  f_blocks: [16, "u64"],
  f_bfree: [24, "u64"],
  f_bavail: [32, "u64"],
  f_files: [40, "u64"],
  f_ffree: [48, "u64"],
  f_fsid: [56, "u64"],
  f_namelen: [64, "i64"],
  f_frsize: [72, "i64"],
  f_flags: [80, "i64"],
});
export type Statfs = Parameters<typeof statfs.write>[1];

/** Times of access and of change, for utimensat(2). */
export const timespecs = layout("timespec[2]", 32, {
  access_sec: [0, "i64"],
  access_nsec: [8, "i64"],
  change_sec: [16, "i64"],
  change_nsec: [24, "i64"],
});
export type Timespecs = Parameters<typeof timespecs.write>[1];

const nameBytes = 65;
export interface Utsname {
  sysname: string;
  nodename: string;
  release: string;
  version: string;
  machine: string;
  domainname: string;
}

export const utsname: Layout<Utsname> = {
  name: "utsname",
  bytes: nameBytes * 6,
  read: () => ({ sysname: "", nodename: "", release: "", version: "", machine: "", domainname: "" }),
  write(view, { sysname, nodename, release, version, machine, domainname }) {
    [sysname, nodename, release, version, machine, domainname].forEach((text, i) => {
      const bytes = encodeText(text).subarray(0, nameBytes - 1);
      for (const [at, byte] of bytes.entries()) view.setUint8(i * nameBytes + at, byte);
    });
  },
  show: ({ sysname, nodename }) => `{sysname="${sysname}", nodename="${nodename}", ...}`,
};

const nsPerSecond = 1_000_000_000n;

export function toRusage({ userNs, peakFrames, pageFaults }: Usage): Parameters<typeof rusage.write>[1] {
  const { tv_sec, tv_usec } = toTimeval(BigInt(userNs));
  const maxrss = BigInt((peakFrames * pageBytes) / 1024);
  return { utime_sec: tv_sec, utime_usec: tv_usec, maxrss, minflt: BigInt(pageFaults) };
}

export const toTimespec = (ns: bigint): Timespec => ({ tv_sec: ns / nsPerSecond, tv_nsec: ns % nsPerSecond });
export const toTimeval = (ns: bigint): { tv_sec: bigint; tv_usec: bigint } => ({
  tv_sec: ns / nsPerSecond,
  tv_usec: (ns % nsPerSecond) / 1000n,
});

export function encodeTimespec(ns: bigint): Uint8Array {
  const bytes = new Uint8Array(timespec.bytes);
  timespec.write(new DataView(bytes.buffer), toTimespec(ns));
  return bytes;
}

/** The nanoseconds of a timespec, or null when it is not a valid one. */
export function fromTimespec({ tv_sec, tv_nsec }: Timespec): bigint | null {
  return tv_sec < 0n || tv_nsec < 0n || tv_nsec >= nsPerSecond ? null : tv_sec * nsPerSecond + tv_nsec;
}

/** The nanoseconds of a timeval, or null when it is not a valid one. */
export function fromTimeval({ tv_sec, tv_usec }: { tv_sec: bigint; tv_usec: bigint }): bigint | null {
  return tv_sec < 0n || tv_usec < 0n || tv_usec >= 1_000_000n ? null : tv_sec * nsPerSecond + tv_usec * 1000n;
}
