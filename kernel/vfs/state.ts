/**
 * Names and open files as data.
 *
 * A file system is a table of inodes; a mount shows one at a place, over a file of another mount. What a directory lists are
 * numbers of inodes of its own file system, and each directory knows the one that lists it. Open files are what
 * descriptors' capabilities name. An inode without a name stays for as long as a file of it is open, or a task is in it.
 */
import type { FilesystemId, InodeNumber, MountId, SpaceId, StoredId, TaskId } from "../lib/ids.ts";
import type { NamespaceKind } from "../ns/namespaces.ts";
import type { PidName } from "../thread/state.ts";

export interface DirectoryEntry {
  inode: InodeNumber;
  /** Where the listing goes on behind it (d_off): ascending, and never used twice in a directory. */
  cookie: number;
}

export type InodeData =
  | { kind: "regular"; file: StoredId }
  /** A regular file of the archive below, which nobody has opened yet. */
  | { kind: "archived"; offset: number; size: number }
  | { kind: "directory"; parent: InodeNumber; entries: Map<string, DirectoryEntry>; nextCookie: number }
  | { kind: "symlink"; target: string }
  | { kind: "device"; major: number; minor: number }
  | { kind: "fifo" }
  | { kind: "socket" };

export interface Inode {
  /** With the bits of its type. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  /** Real time. */
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** When it was made; absent: it was there when the machine began. */
  birthNs?: bigint;
  /** It was made without a name (O_TMPFILE, but not O_EXCL), and may be given one. */
  temporary: boolean;
  data: InodeData;
}

export const filesystemKinds = ["sysfs", "tmpfs", "proc", "devtmpfs", "devpts"] as const;
export type FilesystemKind = (typeof filesystemKinds)[number];

export interface Filesystem {
  id: FilesystemId;
  kind: FilesystemKind;
  /** What was mounted, as /proc/mounts has it. */
  source: string;
  root: InodeNumber;
  /** Of /proc: whose processes it shows, and by which numbers. */
  pidSpace: number;
  /** The archive that it began as: an inode that is not in the table is the archive's. */
  base: string | null;
  inodes: Map<InodeNumber, Inode>;
  nextInode: number;
  /** The user name space of who mounted it first: only who may there changes it as a whole, and only there devices are devices. */
  userSpace: number;
  /** By no mount can anything be changed. */
  readOnly: boolean;
  /** Of a tmpfs that a program mounted. */
  options: TmpfsOptions | null;
}

/** What a tmpfs was mounted with. How much it holds is counted where the pages are (`MmState.quotas`). */
export interface TmpfsOptions {
  /** Pages that its files may have, or all inodes: null for no bound. */
  pages: number | null;
  inodes: number | null;
  /** Of its root. */
  mode: number;
  uid: number;
  gid: number;
}

/**
 * A file system where it can be seen. Mounts are a tree: each covers a file of another one, its parent, which knows it by
 * that file's inode; at the top of a tree is one that covers nothing. The trees are the mount name spaces; and what was
 * taken out of one while somebody was in it is a tree by itself, and in no name space, until they have gone.
 */
export interface Mount {
  id: MountId;
  filesystem: FilesystemId;
  /** The file of the file system that is seen as this mount's top: its root, or (a bind) another one. */
  root: InodeNumber;
  /** What a top that is no directory was called when it was bound. */
  named: { directory: InodeNumber; name: string } | null;
  /** The file that it covers; `name` is "" for a directory, which knows its own. */
  on: Opened | null;
  /** What covers files of this mount, by their inodes. */
  covers: Map<InodeNumber, MountId>;
  /** null: in none any more. */
  namespace: number | null;
  /** MountFlag: what may be done by this mount. */
  flags: number;
  /** It can go when it was not used since (MNT_EXPIRE). */
  expiring: boolean;
}

/** An open file's name, as it was when it was opened; what it names may have another by now. */
export interface Opened {
  mount: MountId;
  inode: InodeNumber;
  directory: InodeNumber;
  name: string;
}

/** An open file, shared by the descriptors that were duplicated from one another (and so their position): it is what their capabilities name. */
export interface OpenFile {
  id: number;
  /** O_* flags that F_GETFL shows. */
  flags: number;
  position: number;
  target: OpenTarget;
  /** It counts among those who write to its file (mm/executing.ts): it was opened by name. */
  writer?: true;
  /** null for what has no name: pipes, and what the machine's host gave. */
  opened: Opened | null;
}

export type OpenTarget =
  /** The machine's serial line. */
  | { kind: "console" }
  /** The master's side of a pseudo-terminal. */
  | { kind: "master"; pair: number }
  /** The slave's side; of an older generation than the pair's, or of a pair that is gone, it was hung up on. */
  | { kind: "slave"; pair: number; generation: number }
  /** Standard input that was known beforehand. */
  | { kind: "bytes"; bytes: Uint8Array }
  /** An end of a pipe: which one, or both, says the access mode. */
  | { kind: "pipe"; pipe: number }
  | { kind: "regular"; file: StoredId }
  | { kind: "directory" }
  | { kind: "device"; major: number; minor: number }
  /** Text that is made when it is read from its start (procfs); of which memory, if it is of any; ids as who opened it counts them. */
  | { kind: "generated"; text: Uint8Array; space: SpaceId | null; userSpace: number }
  /** eventfd(2): a count, and how often it was added to and taken from. */
  | { kind: "event"; count: bigint; semaphore: boolean; arrivals: number; departures: number }
  /** timerfd(2): when it is due, on the monotonic clock, and how many times it was before. */
  | { kind: "timer"; clock: number; dueNs: number | null; intervalNs: number; read: number }
  /** signalfd(2): signals of whoever reads. */
  | { kind: "signals"; set: bigint }
  /** pidfd_open(2): a process, which may have ended. */
  | { kind: "process"; task: TaskId }
  /** A name space, for setns(2). */
  | { kind: "namespace"; type: NamespaceKind; id: number }
  /** A process's memory (/proc/<pid>/mem). */
  | { kind: "memory"; space: SpaceId | null }
  /** epoll(7): what is watched, by descriptor and open file; and edges that are to be added to those of what is. */
  | { kind: "epoll"; items: Map<string, EpollItem>; changes: number }
  /** inotify(7): what is watched, and what was not told yet. */
  | {
      kind: "inotify";
      /** Whose it is: how much one may watch is bounded. */
      uid: number;
      watches: Map<number, InotifyWatch>;
      nextWatch: number;
      events: InotifyEvent[];
      /** Events were lost, and that is the last of those that wait. */
      overflown: boolean;
      arrivals: number;
      departures: number;
    }
  | { kind: "socket"; socket: number }
  /** O_PATH: only a name. */
  | { kind: "path" };

/** What an epoll instance watches of one open file. */
export interface EpollItem {
  file: number;
  fd: number;
  /** EPOLL* bits. */
  events: number;
  data: bigint;
  /** Told once (EPOLLONESHOT), and not to be told again before it is changed. */
  disabled: boolean;
  /** Arrivals and departures when it was last told; -1: never. */
  seenIn: number;
  seenOut: number;
}

/** What an inotify instance is to be told of one inode. */
export interface InotifyWatch extends Fifo {
  /** IN_* bits. */
  mask: number;
}

export interface InotifyEvent {
  /** -1: of none. */
  watch: number;
  mask: number;
  cookie: number;
  name: string;
}

/** Who watches which inodes (inotify.ts). */
export interface NotifyState {
  /** By file system and inode: instances, and their watches. */
  watched: Map<string, { file: number; watch: number }[]>;
  /** Events that wait, of all instances. */
  queued: number;
  /** The last one that was given to a move. */
  cookie: number;
}

/** Pages of a pipe's buffer that one write filled, or a last one that is not full: `from` bytes of them have been read. */
export interface PipePages {
  bytes: Uint8Array;
  from: number;
  /** At most a page that is read by itself, and of which nothing stays then (O_DIRECT). */
  packet?: true;
}

export interface Fifo {
  filesystem: FilesystemId;
  inode: InodeNumber;
}

/** A pipe's buffer and who has it open. The counts tell edges from levels: how often something came, or went from where it was full. */
export interface Pipe {
  inode: number;
  /** The inode that names it, if one does. */
  fifo: Fifo | null;
  pages: PipePages[];
  mostPages: number;
  readers: number;
  writers: number;
  arrivals: number;
  departures: number;
}

export type SocketFamily = "unix" | "inet";
export type SocketType = "stream" | "dgram" | "seqpacket";

/** What a socket is called: a file, a name beside all files, or a port of an address of this machine. */
export type SocketAddress =
  | ({ kind: "path"; path: string } & Fifo)
  | { kind: "abstract"; name: string }
  | { kind: "inet"; host: number; port: number };

/** Who made a socket, or wrote to it, as the other side may learn. */
export interface SocketCredentials {
  /** Its id, and what that is called in PID name spaces other than the first. */
  pid: number;
  names: PidName[];
  uid: number;
  gid: number;
}

/** Bytes that were sent together, and what came with them. */
export interface SocketMessage {
  bytes: Uint8Array;
  /** What the sender is called, if anything. */
  address: SocketAddress | null;
  sender: SocketCredentials;
  /** Numbers of files that are on their way (in-flight.ts). */
  files: number[];
}

/** A socket. Between two, bytes are in the queue of who will read them: nothing is ever on its way. */
export interface Socket {
  family: SocketFamily;
  type: SocketType;
  /** The name space that its name is in: a port, or an abstract name. */
  net: number;
  /** As it was asked for. */
  protocol: number;
  inode: number;
  state: "new" | "listening" | "connected";
  name: SocketAddress | null;
  /** Of a connected socket, what the other one is called. */
  peerName: SocketAddress | null;
  /** The other one, as long as that is there; of a dgram, where to send to. */
  peer: number | null;
  credentials: SocketCredentials;
  peerCredentials: SocketCredentials | null;
  queue: SocketMessage[];
  bytes: number;
  /** Connections that were made and not accepted, and how many of them there may be. */
  pending: number[];
  mostPending: number;
  noReading: boolean;
  noWriting: boolean;
  /** Told once, by the next call or by SO_ERROR. */
  error: number;
  /** Values of options that are kept, by level and number. */
  options: Map<string, number>;
  receiveTimeoutNs: number | null;
  sendTimeoutNs: number | null;
  arrivals: number;
  departures: number;
}

/** Whose a lock is: a task's, or an open file's. */
export interface LockOwner {
  kind: "task" | "file";
  id: number;
}

/** An advisory lock of bytes [start, end) of an inode. */
export interface FileLock extends Fifo {
  /** By flock(2), which knows whole files only. */
  whole: boolean;
  owner: LockOwner;
  exclusive: boolean;
  start: number;
  end: number;
}

export interface FilesState {
  filesystems: Map<FilesystemId, Filesystem>;
  nextFilesystem: number;
  mounts: Map<MountId, Mount>;
  nextMount: number;
  /** Mounts in no name space any more, which somebody still uses. */
  detached: MountId[];
  /** Of what has no file system: pipes. */
  nextInode: number;
  locks: FileLock[];
  /** Extended attributes, of the few inodes that have some: values by name, by file system and inode. */
  extended: Map<string, Map<string, Uint8Array>>;
  notify: NotifyState;
  sockets: Map<number, Socket>;
  nextSocket: number;
  /** Bytes in the queues of all of them, and what messages count beside. */
  socketBytes: number;
  pipes: Map<number, Pipe>;
  nextPipe: number;
  open: Map<number, OpenFile>;
  nextOpen: number;
}

export const initFiles = (): FilesState => ({
  filesystems: new Map(),
  nextFilesystem: 1,
  mounts: new Map(),
  nextMount: 1,
  detached: [],
  nextInode: 2,
  locks: [],
  extended: new Map(),
  notify: { watched: new Map(), queued: 0, cookie: 0 },
  sockets: new Map(),
  nextSocket: 1,
  socketBytes: 0,
  pipes: new Map(),
  nextPipe: 1,
  open: new Map(),
  nextOpen: 1,
});
