/** /proc about the machine: memory, processor, time, what is mounted, and a few of the knobs below /proc/sys. */
import { pageBytes } from "../../hal/types.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { release, systemName } from "../../lib/system.ts";
import { commitPolicy, promisedBytes } from "../../mm/accounting.ts";
import { FrameOwner } from "../../mm/state.ts";
import { machineName } from "../../ns/namespaces.ts";
import { runnable } from "../../sched/sched.ts";
import { numberIn, pidSpaceOf } from "../../thread/pids.ts";
import { monotonicNs } from "../../time/clock.ts";
import type { Viewer } from "../../vfs/filesystem.ts";
import { filesystemKinds } from "../../vfs/state.ts";
import type { ProcKernel } from "./kernel.ts";
import { directory, file, link, type Node, number, type Target } from "./nodes.ts";
import { sysvKnobs, sysvTree } from "./sysv.ts";

const kib = (bytes: number): number => Math.floor(bytes / 1024);

function framesOf(k: ProcKernel, owner: FrameOwner): number {
  let count = 0;
  spend(k.effort, k.mm.frames.owner.length / 8, "items");
  for (const one of k.mm.frames.owner) if (one === owner) count += 1;
  return count * pageBytes;
}

function memory(k: ProcKernel): string {
  const { total, free } = k.mm.frames;
  const stored = k.mm.storedFrames * pageBytes;
  const images = framesOf(k, FrameOwner.image);
  const rows: [string, number][] = [
    ["MemTotal", total * pageBytes],
    ["MemFree", free * pageBytes],
    ["MemAvailable", free * pageBytes + images],
    ["Buffers", 0],
    ["Cached", images + stored],
    ["SwapCached", 0],
    ["Active", framesOf(k, FrameOwner.anonymous)],
    ["Inactive", images],
    ["SwapTotal", 0],
    ["SwapFree", 0],
    ["Dirty", 0],
    ["AnonPages", framesOf(k, FrameOwner.anonymous)],
    ["Mapped", images],
    ["Shmem", stored],
    ["PageTables", framesOf(k, FrameOwner.table)],
    ["CommitLimit", total * pageBytes],
    ["Committed_AS", promisedBytes(k)],
  ];
  return rows.map(([name, bytes]) => `${`${name}:`.padEnd(15)} ${String(kib(bytes)).padStart(8)} kB\n`).join("");
}

/** Pages by what they are for, and those that came from a disk or went to one: there is none to swap to. */
function pageStatistics(k: ProcKernel): string {
  const { free } = k.mm.frames;
  const pages = (of: FrameOwner): number => framesOf(k, of) / pageBytes;
  const rows: [string, number][] = [
    ["nr_free_pages", free],
    ["nr_anon_pages", pages(FrameOwner.anonymous)],
    ["nr_mapped", pages(FrameOwner.image)],
    ["nr_file_pages", pages(FrameOwner.image) + k.mm.storedFrames],
    ["nr_dirty", 0],
    ["nr_writeback", 0],
    ["nr_shmem", k.mm.storedFrames],
    ["nr_page_table_pages", pages(FrameOwner.table)],
    ...["pgpgin", "pgpgout", "pswpin", "pswpout"].map((name): [string, number] => [name, 0]),
  ];
  return rows.map(([name, count]) => `${name} ${count}\n`).join("");
}

const processors = (k: ProcKernel): string =>
  k.sched.parked
    .map((_, hart) => `processor\t: ${hart}\nhart\t\t: ${hart}\nisa\t\t: ${k.hal.isa.description}\nmmu\t\t: sv39\n\n`)
    .join("");

const hundredths = (ns: number): string => (Math.floor(ns / 10_000_000) / 100).toFixed(2);

/** The second number is the idleness of all harts together, as proc_uptime(5) has it. */
function upTime(k: ProcKernel): string {
  const now = monotonicNs(k);
  const idle = k.sched.usage.reduce((sum, { executed, stolen }) => sum + now - k.hal.timer.nsOf(executed + stolen), 0);
  return `${hundredths(now)} ${hundredths(idle)}\n`;
}

function loadAverage(k: ProcKernel, pidSpace: number): string {
  const running = runnable(k);
  const last = pidSpace === 0 ? k.threads.nextId - 1 : pidSpaceOf(k, pidSpace).last;
  return `0.00 0.00 0.00 ${running}/${k.threads.threads.size} ${last}\n`;
}

const ticks = (ns: number): number => Math.floor(ns / 10_000_000);

/** user nice system idle iowait irq softirq steal guest guest_nice, in hundredths of a second. */
const times = (user: number, idle: number, steal: number): string => `${user} 0 0 ${idle} 0 0 0 ${steal} 0 0`;

/** As proc_stat(5) has it: of all harts together, and of each. A hart whose turn it is not waits, as a guest of a busy host does. */
function hartTimes(k: ProcKernel): string[] {
  const now = ticks(monotonicNs(k));
  const harts = k.sched.usage.map(({ executed, stolen }) => {
    const [user, steal] = [ticks(k.hal.timer.nsOf(executed)), ticks(k.hal.timer.nsOf(stolen))];
    return { user, steal, idle: now - user - steal };
  });
  const all = harts.reduce((sum, { user, steal, idle }) => ({
    user: sum.user + user,
    steal: sum.steal + steal,
    idle: sum.idle + idle,
  }));
  const line = ({ user, idle, steal }: typeof all): string => times(user, idle, steal);
  return [`cpu  ${line(all)}`, ...harts.map((hart, number) => `cpu${number} ${line(hart)}`)];
}

function statistics(k: ProcKernel): string {
  const running = runnable(k);
  const blocked = k.threads.threads.size - running;
  const booted = k.config.realtimeEpochNs / 1_000_000_000n;
  return [
    ...hartTimes(k),
    "intr 0",
    "ctxt 0",
    `btime ${booted}`,
    `processes ${k.threads.nextId - 1}`,
    `procs_running ${running}`,
    `procs_blocked ${blocked}`,
    "",
  ].join("\n");
}

const filesystems = (): string => filesystemKinds.map((kind) => `nodev\t${kind}\n`).join("");

const devices = (): string =>
  ["Character devices:", "  1 mem", "  4 ttyS", "  5 /dev/tty", "  5 /dev/console", "", "Block devices:", ""].join(
    "\n",
  );

const fixed = (text: string): Node<number> => file(() => `${text}\n`);

const knobs = directory<number>({
  kernel: directory({
    hostname: file((k) => `${firstName(k).node}\n`),
    domainname: file((k) => `${firstName(k).domain}\n`),
    ostype: fixed(systemName),
    osrelease: fixed(release),
    version: fixed("#1"),
    pid_max: fixed("4194304"),
    ngroups_max: fixed("65536"),
    cap_last_cap: fixed("40"),
    ...sysvKnobs,
    threads_max: file((k) => `${k.config.limits.threads}\n`),
    random: directory({ boot_id: file((k) => `${uuid(k.config.seed)}\n`) }),
  }),
  vm: directory({
    overcommit_memory: file((k) => (commitPolicy(k) === "strict" ? "2\n" : "1\n")),
    max_map_count: fixed(String(limits.regions)),
    mmap_min_addr: fixed("65536"),
  }),
  fs: directory({
    "file-max": file((k) => `${k.config.limits.openFiles}\n`),
    "file-nr": file((k) => `${k.files.open.size}\t0\t${k.config.limits.openFiles}\n`),
    nr_open: fixed(String(limits.descriptors)),
    "pipe-max-size": fixed("1048576"),
  }),
});

/** What the machine is called in the name space that it began with. */
const firstName = (k: ProcKernel) => machineName(k, { uts: 0 });

/** Who reads is not everywhere to be seen. */
function toReader(
  k: ProcKernel,
  pidSpace: number,
  reader: Viewer,
  text: (number: (id: number) => number) => string,
): Target | Errno {
  const number = (id: number): number => numberIn(k, pidSpace, id);
  return pidSpace !== 0 && number(reader.id) === 0 ? "ENOENT" : { text: text(number), place: null };
}

/** A name of this boot: of the machine's seed, so the same in every run of it. */
function uuid(seed: bigint): string {
  const hex = BigInt.asUintN(64, seed * 0x9e3779b97f4a7c15n)
    .toString(16)
    .padStart(16, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8000-${hex.slice(4, 16)}`;
}

export const systemTree = number<number>(
  directory<number>({
    self: link((k, pidSpace, reader) => toReader(k, pidSpace, reader, (id) => `${id(reader.id)}`)),
    "thread-self": link((k, pidSpace, reader) =>
      toReader(k, pidSpace, reader, (id) => `${id(reader.id)}/task/${id(reader.threads[0]!)}`),
    ),
    mounts: link(() => ({ text: "self/mounts", place: null })),
    cmdline: fixed("console=ttyS0"),
    cpuinfo: file(processors),
    devices: file(devices),
    filesystems: file(filesystems),
    loadavg: file(loadAverage),
    meminfo: file(memory),
    stat: file(statistics),
    swaps: fixed("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"),
    sys: knobs,
    sysvipc: sysvTree,
    uptime: file(upTime),
    vmstat: file(pageStatistics),
    version: fixed(`${systemName} version ${release} (ostler) #1`),
  }),
);
