/**
 * Tasks and threads as data.
 *
 * A task is an address space with descriptors and accounts, POSIX's process; it ends with its last thread, and is a
 * zombie until its parent has asked how. A job is a task that the host started with all that it forked: limits are a
 * job's, so that nobody gets round them by forking. A thread that
 * waits leaves a record of what it waits for and stays on its call. The live registers belong to the thread
 * whose `context` is null: at most one, the scheduler's current.
 */
import type { SavedContext } from "../hal/types.ts";
import type { InodeNumber, MountId, PhysicalAddress, SpaceId, TaskId, ThreadId } from "../lib/ids.ts";
import type { RemoteCall } from "./remote-call.ts";
import type { Scheduling } from "./scheduling.ts";
import type { SignalStack } from "./signal-stack.ts";
import type { Wait } from "./wait.ts";

/** Limits of a task that the host starts, and of what it forks; 0 means no limit of its own. */
export interface TaskLimits {
  /** Instructions executed by all its threads and descendants; beyond it each of them is killed with SIGXCPU. */
  instructions: number;
  /**
   * Bytes of frames that its address space, and each descendant's, may hold; beyond it allocation fails with ENOMEM (a
   * fault kills with SIGKILL).
   */
  memoryBytes: number;
  /** Bytes written to the console by it and its descendants; beyond it the one that writes is killed with SIGXFSZ. */
  outputBytes: number;
}

/** Limits, and what was used of them. */
export interface Job {
  limits: TaskLimits;
  instructions: number;
  outputBytes: number;
}

/** Whom a task acts for (credentials(7)): real, effective, saved and file-system ids, supplementary groups, and what it may. */
export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
  /** The user name space that its capabilities count in (users.ts); ids are those of the first one. */
  userSpace: number;
  capabilities: Capabilities;
}

/** What of root's a task may do, as sets with a bit for each (capabilities.ts). */
export interface Capabilities {
  /** What a program that it executes may take over, if its file says so: none does. */
  inheritable: bigint;
  /** What it may make effective. */
  permitted: bigint;
  effective: bigint;
  /** What executing programs can give it at all. */
  bounding: bigint;
  /** What stays permitted and effective when it executes a program. */
  ambient: bigint;
  secureBits: number;
}

/** What a task has set for itself (prctl(2)). */
export interface Traits {
  dumpable: boolean;
  /** What it executes gives it no more rights than it has. */
  noNewPrivileges: boolean;
  /** Orphans among its descendants become its children. */
  subreaper: boolean;
  /** What it is sent when its parent ends; 0 for nothing. */
  deathSignal: number;
  /** personality(2): bits that ask for what is so here anyhow. */
  persona: number;
}

/** What counts, and how far the task may raise it itself (setrlimit(2)). */
export interface ResourceLimit {
  soft: bigint;
  hard: bigint;
}

/** Name spaces that a task is in, by kind (ns/namespaces.ts). */
export interface Namespaces {
  uts: number;
  ipc: number;
  net: number;
  mnt: number;
  /** That it and all its threads were made in. */
  pid: number;
  /** That its children will be made in. */
  childPid: number;
}

export type NamespaceKind = "uts" | "ipc" | "net" | "mnt" | "pid" | "user";

/** A name space that was made, beside those that the machine began with. */
export interface Namespace {
  kind: NamespaceKind;
  /** The user name space that it belongs to; of one of users, the one above it. */
  owner: number;
}

/** What a user name space calls `inside`, and what follows, is `outside` to the kernel. */
export interface IdRange {
  inside: number;
  outside: number;
  count: number;
}
export type IdKind = "uid" | "gid" | "projid";

/** A user name space that was made (users.ts). */
export interface UserSpace {
  parent: number;
  depth: number;
  /** Who made it. */
  owner: number;
  group: number;
  /** Its maker could give files capabilities (CAP_SETFCAP). */
  mayGiveFiles: boolean;
  /** setgroups(2) is not denied in it. */
  setsGroups: boolean;
  maps: Record<IdKind, IdRange[]>;
}

/** A PID name space that was made (pids.ts). */
export interface PidSpace {
  /** The one that it was made in, and how many are above it. */
  parent: number;
  depth: number;
  /** Its first task; null: there was none yet, or it has ended. */
  init: TaskId | null;
  /** That has ended or is about to: nothing is made in it any more. */
  ended: boolean;
  /** The number that was given last. */
  last: number;
  /** By task or thread, what it is called here; and back. */
  numbers: Map<number, number>;
  ids: Map<number, number>;
}

/** What a task or thread is called in a PID name space. */
export interface PidName {
  space: number;
  number: number;
}

/** What a task has in common with others, by number (sharing.ts); null: with nobody. */
export interface Sharing {
  files: number | null;
  directories: number | null;
  actions: number | null;
}

/** What a task used, for those who ask after its end. */
export interface Usage {
  /** Nanoseconds of user time; there is no other. */
  userNs: number;
  peakFrames: number;
  pageFaults: number;
}

/** How a task ended, in POSIX terms. */
export type ExitStatus = { kind: "exited"; code: number } | { kind: "signaled"; signal: number };

export interface FaultInfo {
  signal: number;
  /** Program counter and faulting address, as unsigned 64-bit. */
  pc: bigint;
  address: bigint;
  /** One line: what happened, for people. */
  description: string;
}

/** An entry of a task's descriptor table. What it stands for is a capability (vfs/descriptors.ts). */
export interface Descriptor {
  /** Whether exec closes it. */
  closeOnExec: boolean;
}

/** What rt_sigaction stored for a signal. */
export interface SignalAction {
  handler: bigint;
  flags: bigint;
  mask: bigint;
}

/** A signal that was sent, as its receiver is told of it (siginfo_t). */
export interface SignalInfo {
  signal: number;
  /** SI_USER and its like: who sent it, or why. */
  code: number;
  detail:
    | { kind: "none" }
    /** As the receiver knows them; a process that it cannot see is 0. */
    | { kind: "sender"; pid: number; uid: number; value: bigint }
    | { kind: "child"; pid: number; uid: number; status: number; userNs: number }
    | { kind: "fault"; address: bigint }
    | { kind: "timer"; timer: number; overrun: number; value: bigint };
}

/** A file by where it is: in which mounted file system, and its number there. */
export interface Place {
  mount: MountId;
  inode: InodeNumber;
}

export interface Task {
  id: TaskId;
  name: string;
  kind: "program" | "remote";
  /** Its address space; after vfork two tasks have the same. */
  space: SpaceId;
  threads: ThreadId[];
  descriptors: (Descriptor | null)[];
  /** The task that the host started, whose limits count: itself, or an ancestor that may have ended. */
  job: TaskId;
  /** Who is told of its end; null when nobody is: it was the host that started it, or its parent is gone. */
  parent: TaskId | null;
  /** What its parent is sent when it ends; 0 for nothing. */
  exitSignal: number;
  /** Its process group and its session, each known by the task that began it. */
  group: TaskId;
  session: TaskId;
  /** It has executed a program of its own since it was forked: its group is no longer its parent's to choose. */
  executed: boolean;
  credentials: Credentials;
  namespaces: Namespaces;
  sharing: Sharing;
  traits: Traits;
  /** By resource, where they are not the usual ones (setrlimit(2)). */
  resourceLimits: Map<number, ResourceLimit>;
  /** Of children that were waited for, and of theirs. */
  childUsage: Usage;
  /** Path of the program; "" for a remote task. */
  executable: string;
  /** Where its absolute paths begin, and its others. */
  root: Place;
  directory: Place;
  signalActions: Map<number, SignalAction>;
  /** Sent to it and not delivered yet, oldest first: to be taken by any of its threads. */
  pending: SignalInfo[];
  /** How many were ever sent to it, or to one of its threads, and kept. */
  signalsSent: number;
  /** The signal that stopped it, or 0: none of its threads runs until it is continued. */
  stopSignal: number;
  /** When the next timer is due that counts its instructions, or its processor time is used up. */
  timerDue: number | null;
  /** It was stopped or continued, and its parent has not asked yet. */
  change: "stopped" | "continued" | null;
  fileModeMask: number;
  startNs: number;
  instructions: number;
  outputBytes: number;
  systemCalls: number;
  pageFaults: number;
  /** The latest fault, if it was fatal. */
  fault: FaultInfo | null;
}

/** What a thread does when it goes on after a wait. */
export type Resume =
  | { kind: "complete"; value: bigint }
  | { kind: "restart" }
  /** By a signal: what becomes of the call is decided when it is delivered. */
  | { kind: "interrupted" };

/** Where a traced thread stands still until its tracer lets it go on (ptrace(2)). */
export interface TraceStop {
  /**
   * `signal`: it is about to take one; `entry` and `exit`: of a system call; `event`: something that the tracer asked to
   * be told of; `group`: its task was stopped, or the tracer wanted it to stop.
   */
  kind: "signal" | "entry" | "exit" | "event" | "group";
  /** What wait(2) tells: the signal, and above its 8 bits the event. */
  code: number;
  info: SignalInfo | null;
  /** Of an event: what PTRACE_GETEVENTMSG says. */
  message: number;
  /** At the exit of a call that a signal interrupted: its result, which the registers do not have. */
  result: bigint | null;
  /** wait(2) has told of it. */
  reported: boolean;
  /** It stays, but tells when its task goes on (PTRACE_LISTEN). */
  listening: boolean;
}

/** A thread that another task traces. */
export interface Tracing {
  tracer: TaskId;
  /** By PTRACE_SEIZE: without the signals that PTRACE_ATTACH needs. */
  seized: boolean;
  /** PTRACE_O_* */
  options: number;
  /** How far it was let go: to its next call's entry or exit, or one instruction. */
  mode: "free" | "syscall" | "step";
  stop: TraceStop | null;
  /** Stops that come next, before it does anything else. */
  due: TraceStop[];
  /** It was stopped at the entry of a call that has not ended. */
  inCall: boolean;
  /** The tracer wants it to stop (PTRACE_INTERRUPT). */
  trap: boolean;
  /** It has executed its one instruction. */
  stepped: boolean;
  /** A signal that the tracer has let through, or chosen. */
  injected: SignalInfo | null;
  /** Its end was announced. */
  exiting: boolean;
}

/** A thread that has ended, for the one who traced it to ask how: not its parent, or not the first of its task. */
export interface TracedEnd {
  tracer: TaskId;
  id: ThreadId;
  status: ExitStatus;
  userId: number;
  usage: Usage;
}

export interface Thread {
  id: ThreadId;
  task: TaskId;
  state: "ready" | "blocked";
  context: SavedContext | null;
  /** While blocked; afterwards, until the call has been dispatched again, what the wait had saved. */
  wait: Wait | null;
  resume: Resume | null;
  instructions: number;
  /**
   * 255 before 254: of the threads that can run on a hart, one of those with the highest runs. Above 255 are those of
   * real-time policies.
   */
  priority: number;
  scheduling: Scheduling;
  /** The hart that it was on last, or waits for. */
  hart: number;
  /** Harts that it may run on: bit i is hart i. At least one of them is there. */
  affinity: number;
  /** When the next timer is due that counts its instructions. */
  timerDue: number | null;
  /** Instructions that are left of its turn, while it is on no hart; 0: its next turn is a whole one. */
  quantumLeft: number;
  /** Where its control block is, when capabilities control it. */
  tcb: PhysicalAddress | null;
  /** Where to store 0 and wake a futex when the thread ends (set_tid_address); 0 for nowhere. */
  clearOnExit: bigint;
  /** Head of the list of the robust mutexes that it holds, in its memory; 0: it has none. */
  robustList: bigint;
  signalMask: bigint;
  /** While a call waits with a mask of its own: what the mask was before. */
  savedMask: bigint | null;
  /** Sent to this very thread and not delivered yet. */
  pending: SignalInfo[];
  signalStack: SignalStack;
  tracing: Tracing | null;
  /** What it is called, if not as its process is. */
  name: string | null;
  /** How late its timers may be, which they never are, and what that is by default (PR_SET_TIMERSLACK). */
  slack: { ns: bigint; usualNs: bigint };
  /** The client's call that this thread of a remote task is in. */
  call: RemoteCall | null;
}

/** A task that has ended, for its parent to ask how (wait(2)). It has nothing but its number. */
export interface Zombie {
  id: TaskId;
  name: string;
  parent: TaskId;
  group: TaskId;
  session: TaskId;
  status: ExitStatus;
  userId: number;
  exitSignal: number;
  startNs: number;
  /** Its own and that of its children that it waited for. */
  usage: Usage;
}

/** A timer of a task (timers.ts). */
export interface Timer {
  id: number;
  task: TaskId;
  /** As its program knows it; below zero, an interval timer. */
  number: number;
  counts: "time" | "instructions";
  /** The thread whose instructions count; null: those of all. */
  counted: ThreadId | null;
  /** It was made for the clock whose times are dates. */
  realtime: boolean;
  /** What it sends; 0: nothing. */
  signal: number;
  value: bigint;
  /** The only thread that is sent it, if it is not the task. */
  thread: ThreadId | null;
  dueNs: number | null;
  /** 0: it does not repeat. */
  intervalNs: number;
  /** When the signal was due that it sent last and that was not taken yet. */
  expiredNs: number | null;
  /** How often it would have expired while its last signal was pending. */
  overrun: number;
}

/** What is remembered of a task that has ended. */
export interface ExitedTask {
  id: TaskId;
  name: string;
  kind: "program" | "remote";
  status: ExitStatus;
  instructions: number;
  peakMemoryBytes: number;
  outputBytes: number;
  systemCalls: number;
  pageFaults: number;
}

export interface ThreadsState {
  tasks: Map<TaskId, Task>;
  zombies: Map<TaskId, Zombie>;
  tracedEnds: TracedEnd[];
  /** By number. */
  namespaces: Map<number, Namespace>;
  pidSpaces: Map<number, PidSpace>;
  userSpaces: Map<number, UserSpace>;
  /** By name space, where it is another one than the machine was made with. */
  machineNames: Map<number, { node: string; domain: string }>;
  nextNamespace: number;
  nextSharing: number;
  /** By the task that the host started; as long as one of them lives. */
  jobs: Map<TaskId, Job>;
  /** The first program of a machine that boots: orphans become its children, and with it everything ends. */
  init: TaskId | null;
  threads: Map<ThreadId, Thread>;
  /** Tasks and threads share one space of numbers; a program's first thread has its task's. */
  nextId: number;
  timers: Map<number, Timer>;
  nextTimer: number;
  /** Oldest first, at most limits.exitedTasks. */
  exited: ExitedTask[];
  /** Threads of remote tasks whose wait is over: they go on at once, being no business of the scheduler. */
  remoteReady: ThreadId[];
  /** Threads that wait for the same thing, first come first. */
  queues: Map<string, ThreadId[]>;
}

export const initThreads = (): ThreadsState => ({
  tasks: new Map(),
  zombies: new Map(),
  tracedEnds: [],
  namespaces: new Map(),
  pidSpaces: new Map(),
  userSpaces: new Map(),
  machineNames: new Map(),
  nextNamespace: 1,
  nextSharing: 1,
  jobs: new Map(),
  init: null,
  threads: new Map(),
  nextId: 1,
  timers: new Map(),
  nextTimer: 1,
  exited: [],
  remoteReady: [],
  queues: new Map(),
});
