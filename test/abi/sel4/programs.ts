/** Guest programs that check seL4's interface from inside, and what each prints when all is right; then it exits with 0. */

export interface SeL4Program {
  /** Of test/guest/sel4/<name>.c: `guest("sel4/<name>")` compiles it. It is started as the root task. */
  name: string;
  /** Without what depends on where things are, see `plain`. */
  console: string[];
  /** How it ends, unless it exits with 0. */
  signal?: number;
  /** Typed line by line, whenever the machine has nothing to do. */
  typed?: string[];
}

export const sel4Programs: SeL4Program[] = [
  {
    name: "hello",
    console: [
      "hello, world",
      "ok boot information",
      "ok memory",
      "ok capabilities",
      "ok types",
      "ok faults as values",
      "printed by the kernel",
      "ok done",
    ],
  },
  {
    name: "capabilities",
    console: [
      "ok copy and delete",
      "ok what cannot be copied",
      "ok mint",
      "ok move and mutate",
      "ok rotate",
      "ok revoke",
      "ok addresses in the root",
      "ok nodes and guards",
      "ok rights",
    ],
  },
  {
    name: "untyped",
    console: [
      "ok split and revoke",
      "ok every type",
      "ok alignment and watermark",
      "ok refused",
      "ok destinations",
      "ok device memory",
    ],
  },
  {
    name: "mapping",
    console: [
      "ok levels",
      "ok map, remap, unmap",
      "ok unmap tables",
      "ok shared frame",
      "ok cleared memory",
      "ok refused",
      "ok large page",
      "ok execute only",
    ],
  },
  {
    name: "sharing",
    console: [
      "ok time slices",
      "ok calls to a more important server",
      "ok calls to a server as important",
      "ok direct switches",
    ],
  },
  {
    name: "threads",
    console: [
      "ok start",
      "ok start again",
      "ok read and write registers",
      "ok copy registers",
      "ok priorities",
      "ok limits of priorities",
      "ok yield",
      "ok suspend and resume",
      "ok IPC buffers",
      "ok spaces",
      "ok domains",
    ],
  },
  {
    name: "affinity",
    console: ["ok affinity", "ok harts"],
  },
  {
    name: "redirect",
    console: [
      "ok registers without an answer",
      "ok a sender that waited",
      "ok suspends itself",
      "ok a receiver is redirected",
      "ok a sender is redirected",
      "ok and goes on",
      "ok copies registers to itself",
      "ok copies and starts",
      "ok the slot of an answer",
      "ok a buffer for reading",
    ],
  },
  {
    name: "ipc",
    console: [
      "ok call and reply",
      "ok longest message",
      "ok reply and receive",
      "ok send",
      "ok one capability",
      "ok several capabilities",
      "ok capability in an answer",
      "ok rights",
      "ok save caller",
      "ok cancel badged sends",
      "ok delete an endpoint",
    ],
  },
  {
    name: "notifications",
    console: ["ok badges", "ok waiters", "ok bind", "ok bound", "ok unbind"],
  },
  {
    name: "interrupts",
    console: ["ok get", "ok handler", "ok delete"],
  },
  {
    name: "console",
    typed: ["one", "two"],
    console: ["ok ready", "interrupt, and one", "interrupt, and two", "ok done"],
  },
  {
    name: "driver",
    typed: ["one", "two and more than a FIFO has room for", "three"],
    console: [
      "ok registers",
      "ok ready",
      "heard one",
      "heard two and more than a FIFO has room for",
      "ok level",
      "ok revoked",
    ],
  },
  {
    name: "faults",
    console: [
      "ok load",
      "ok store to a page for reading",
      "ok execute what is no code",
      "ok send to nowhere",
      "ok receive from nowhere",
      "ok without the right",
      "ok unknown system call",
      "ok user exception",
      "ok stop",
    ],
  },
  {
    name: "errors",
    console: [
      "ok labels",
      "ok truncated messages",
      "ok other types",
      "ok address spaces",
      "ok whole words",
      "ok order",
      "ok last node",
      "ok nothing changed",
    ],
  },
  {
    name: "spaces",
    console: [
      "ok address space",
      "ok memory",
      "ok CSpace",
      "ok call from the other side",
      "ok fault and repair",
      "ok another CSpace root",
      "ok ASID pools",
    ],
  },
  {
    name: "leaves",
    console: ["ok left"],
  },
  {
    name: "zombie",
    console: ["ok resumed", "ok finished by another", "ok done"],
  },
  {
    name: "lifetime",
    console: [
      "ok Linux leaves frames alone",
      "ok mapped again",
      "ok buffer stays",
      "ok caller ends",
      "ok redirected",
      "ok done",
    ],
  },
  {
    name: "lecture",
    console: ["ok derivation", "ok mapping", "ok revocation"],
  },
  {
    name: "crash",
    signal: 11,
    console: [
      "reads 0",
      "Caught cap fault in send phase at address 0xN",
      "while trying to handle:",
      "vm fault on data at address 0xN with status 0xN",
      'in thread 0xN "rootserver" at address 0xN',
    ],
  },
  {
    name: "debug",
    signal: 9,
    console: [
      "Dumping all tcbs!",
      "Name State IP Prio Core",
      "-".repeat(86),
      "child of: 'rootserver' inactive 0xN 0 0",
      "child of: 'rootserver' running 0xN 1 0",
      "waiter blocked on ntfn 0xN 7 0",
      "rootserver running 0xN 255 0",
      "Caught cap fault in send phase at address 0xN",
      "while trying to handle:",
      "vm fault on code at address 0xN with status 0xN",
      "in thread 0xN \"child of: 'rootserver'\" at address 0xN",
      'Debug halt syscall from thread "first"',
    ],
  },
  {
    name: "libraries",
    signal: 6,
    console: [
      "ok allocation",
      "ok arithmetic",
      "messages@libraries.c:N one",
      "messages@libraries.c:N [Cond failed: 1 + 1 == 2]",
      " two 2",
      "messages@libraries.c:N [Err seL4_DeleteFirst]:",
      " three",
      "ok messages",
      "ok names of x86's objects",
      "a thread: 1 2 3",
      "a thread: 1 0 0",
      "ok variables of threads",
      "main@libraries.c:N [Err seL4_FailedLookup]:",
      " the end",
    ],
  },
];

/** Lines without addresses, line numbers and the width of columns. */
export const plain = (text: string): string[] =>
  text
    .replace(/\.c:\d+/g, ".c:N")
    .replace(/0x[0-9a-f]+/g, "0xN")
    .replace(/[ \t]+/g, " ")
    .trimEnd()
    .split("\n");
