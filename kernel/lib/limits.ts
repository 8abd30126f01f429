/** Every bound of the kernel that is not part of a machine's own configuration. Passing one is a typed error. */
export const limits = {
  /** Virtual time ends here (104 days): the largest count of nanoseconds that a number holds exactly. */
  timeNs: Number.MAX_SAFE_INTEGER,
  /** Bytes moved between a task and the kernel by one call; longer transfers are cut short, as POSIX allows. */
  transferBytes: 128 * 1024,
  /** Length of a path, with its end (PATH_MAX). */
  pathBytes: 4096,
  /** Length of one name in a path (NAME_MAX). */
  nameBytes: 255,
  /** Symbolic links that are followed on the way to one file (MAXSYMLINKS). */
  symbolicLinks: 40,
  /** Inodes of one file system, beside those of the archive that it began as. */
  inodes: 65536,
  /** Inodes of all file systems together, likewise, and mounts in all mount name spaces. */
  allInodes: 262144,
  mounts: 4096,
  /** Inodes of an archive that a root begins as. */
  archiveInodes: 262144,
  /** Names of one file (LINK_MAX of ext4), and those of all files beside the first two of each. */
  links: 65000,
  moreLinks: 65536,
  /** Characters of all symbolic links that are longer than a name. */
  linkCharacters: 16 * 1024 * 1024,
  /** Pages that pipes may hold beside two of each (pipe-user-pages-soft, but of all users together). */
  pipePages: 16384,
  /** Extended attributes of one inode, in bytes, and inodes that have some. */
  extendedBytes: 16 * 1024,
  extendedInodes: 4096,
  /** Entries looked up for one getdents64. */
  listedEntries: 1024,
  /** Entries of a readv/writev vector (UIO_MAXIOV). */
  vectorEntries: 1024,
  /** Entries of a ppoll set. */
  pollEntries: 1024,
  /** Advisory locks of all files. */
  locks: 4096,
  /** Files that one epoll instance watches, and that all do (max_user_watches). */
  epollItems: 4096,
  allEpollItems: 65536,
  /**
   * inotify instances and watches of one user, watches of all (root can be any number of users), and events that wait:
   * of one instance (max_queued_events), and of all.
   */
  inotifyInstances: 128,
  watches: 8192,
  allWatches: 32768,
  queuedEvents: 16384,
  allQueuedEvents: 65536,
  /** Regions of an address space, and of all; from how many on only short paths of what they show are kept. */
  regions: 16384,
  allRegions: 262144,
  namedRegions: 8192,
  shortPathBytes: 255,
  /** Bytes that console input may wait unread. */
  consoleReceiveBytes: 64 * 1024,
  /**
   * Sockets, with connections that were not accepted; bytes and messages in the queue of one; bytes in those of all, and
   * what each message counts there beside its own; files on their way.
   */
  sockets: 4096,
  socketBytes: 212992,
  socketMessages: 512,
  allSocketBytes: 64 * 1024 * 1024,
  messageBytes: 256,
  filesInFlight: 1024,
  /** Connections that wait to be accepted (SOMAXCONN). */
  pendingConnections: 4096,
  /** Messages in a datagram socket's queue, and files in one message (SCM_MAX_FD). */
  datagrams: 11,
  messageFiles: 253,
  /**
   * System V's objects of one kind in one name space (SHMMNI, SEMMNI, MSGMNI), and of all kinds in all; semaphores of one
   * set (SEMMSL) and of all (SEMMNS), and what ends of processes are to add to them (SEM_UNDO); operations of one call (SEMOPM); bytes of one message (MSGMAX), of the messages of one
   * queue (MSGMNB), and messages and bytes of all.
   */
  ipcObjects: 4096,
  allIpcObjects: 16384,
  semaphoresOfSet: 32000,
  semaphores: 131072,
  semaphoreAdjustments: 131072,
  semaphoreOperations: 500,
  ipcMessage: 8192,
  ipcQueueBytes: 16384,
  ipcMessages: 65536,
  ipcMessageBytes: 16 * 1024 * 1024,
  /** Pseudo-terminals; what each keeps that was printed, the pieces of that, and what was typed and not read. */
  pseudoTerminals: 256,
  terminalOutputBytes: 64 * 1024,
  terminalPieceBytes: 4096,
  terminalInputBytes: 4096,
  /** Terminals that the host has given to programs, with the last ones that have ended. */
  hostTerminals: 32,
  /** Arguments and environment of a program, with their pointers. */
  argumentBytes: 128 * 1024,
  argumentCount: 4096,
  /** The same for execve: as Linux has it, a quarter of the stack, and one string. */
  execBytes: 2 * 1024 * 1024,
  execStringBytes: 128 * 1024,
  /** Interpreters of scripts that are scripts (BINPRM_MAX_RECURSION). */
  scriptDepth: 5,
  /** Of a script's first line (BINPRM_BUF_SIZE). */
  scriptLineBytes: 256,
  /** Size of a remote task's scratch memory: arguments of one call. */
  scratchBytes: 1024 * 1024,
  /** File contents that a machine knows. */
  images: 65536,
  /** Size of one file: what is in it is bounded by memory, and positions behind it are still exact numbers. */
  fileBytes: 2 ** 52,
  /** The same of one that comes from the machine's host, or is started by it. */
  hostFileBytes: 1024 * 1024 * 1024,
  /** ELF program headers. */
  programHeaders: 128,
  /** Name spaces of all kinds, beside those that a machine begins with. */
  namespaces: 1024,
  /** Records of exited tasks kept for listings. */
  exitedTasks: 256,
  /** Real-time signals pending of one user (RLIMIT_SIGPENDING), and of all: root can be any number of users. */
  pendingSignals: 1024,
  allPendingSignals: 16384,
  /** Ended threads that tracers have not asked about yet: beyond it the oldest are forgotten. */
  tracedEnds: 1024,
  /** Timers that one task has made (timer_create), and that all have. */
  timers: 128,
  allTimers: 4096,
  /** Open descriptors of one task (RLIMIT_NOFILE). */
  descriptors: 1024,
  /** Capabilities of all, descriptors among them, and TCBs with other threads: what is no memory of the machine's. */
  capabilities: 262144,
  tcbs: 16384,
  /** Harts, and the instructions that each executes before the next one's turn. */
  harts: 8,
  hartTurnInstructions: 1000,
  /** What a step of a long deletion takes off the quantum of the thread that asked for it. */
  stepInstructions: 3200,
  /** Stack of a program's first thread, unless it says otherwise (RLIMIT_STACK). */
  stackBytes: 8 * 1024 * 1024,
  /** Of it, what is mapped from the beginning. */
  firstStackBytes: 128 * 1024,
  /** Memory that a process may lock (RLIMIT_MEMLOCK). */
  lockedBytes: 8 * 1024 * 1024,
  /** Frames that only the kernel's own needs (page tables) may take when memory is short. */
  reservedFrames: 16,
  /** What must be left of RAM, whatever is set aside: 4 MiB. */
  leastAvailableFrames: 1024,
  /** Pages named by one needPages stop. */
  readAheadPages: 8,
  /** Host-side work in one `run`: effort (about nanoseconds), and bytes of outputs not drained. Beyond it the run yields. */
  effortPerRun: 50_000_000,
  pendingOutputBytes: 4 * 1024 * 1024,
  /** Characters of why a machine is paused. */
  pauseReason: 64,
  /** Frames that wait for a network device's driver. */
  waitingFrames: 256,
  /**
   * Of one look at an address space, entries of its tables; of one at the graph of capabilities, slots on the way to what
   * threads reach, and who reaches what.
   */
  inspectEntries: 1024 * 1024,
  inspectHolders: 1024 * 1024,
  /** Bytes that one memory inspection or debugger's write may cover. */
  inspectBytes: 1024 * 1024,
} as const;
