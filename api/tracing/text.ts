/**
 * Events as lines that read like strace's:
 *
 *     [task 2] 0.001234 write(1, "hello\n", 6) = 6
 *     [task 2] 0.001240 read(0, 0x12f0, 1 <unfinished ...>
 *     [task 3] 0.001300 getpid() = 3
 *     [task 2] 0.004000 <... read resumed>"x", 1) = 1
 *     [task 2] 0.004100 --- fault.page address=0x12000 access=write pc=0x10340 ---
 *     [task 2] 0.005000 exit_group(0) = ?
 *     [task 2] 0.005000 +++ task 2 exited with 0 +++
 *
 * A task's first thread has the task's number, and is not named. A call is one line when nothing stands between its beginning and its end. The formatter keeps open calls from
 * batch to batch; how a run is cut into batches does not show in the text.
 */
import type { DecodedEvent } from "../../kernel/trace/index.ts";
import { describeFields } from "./text-fields.ts";

export interface TextOptions {
  /** Which columns stand before the event, in this order. */
  columns: readonly TextColumn[];
}

export type TextColumn = "sequence" | "hart" | "task" | "thread" | "time" | "timeNs" | "instructions";

export const defaultText: TextOptions = { columns: ["task", "time"] };

export interface TextFormatter {
  /** Lines of these events, each with its end. A call that has just begun may wait for what follows. */
  push(events: readonly DecodedEvent[]): string;
  /** The line that waits, if there is one: at the end, or when a follower has seen nothing for a while. */
  flush(): string;
}

interface OpenCall {
  enter: DecodedEvent;
  /** Its beginning has been written. */
  written: boolean;
}

const neverReturn: ReadonlySet<string> = new Set(["exit", "exit_group"]);

class Formatter implements TextFormatter {
  readonly #options: TextOptions;
  /** Calls without their end, by thread. */
  readonly #open = new Map<number, OpenCall>();
  /** The one that has no line yet: it began with the last event. */
  #waiting: OpenCall | null = null;

  constructor(options: TextOptions) {
    this.#options = options;
  }

  push(events: readonly DecodedEvent[]): string {
    let text = "";
    for (const event of events) text += this.#one(event);
    return text;
  }

  flush(): string {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) return "";
    waiting.written = true;
    return this.#line(waiting.enter, `${argumentsOf(waiting.enter)}<unfinished ...>`);
  }

  #one(event: DecodedEvent): string {
    switch (event.name) {
      case "syscall.enter":
        return this.#enter(event);
      case "syscall.exit":
        return this.#exit(event);
      case "thread.exit":
        return this.#gone(event.values["thread"] as number) + this.#line(event, `--- ${describe(event)} ---`);
      case "task.exit":
        return this.flush() + this.#line(event, `+++ task ${event.values["task"]} ${endOf(event)} +++`);
      case "trace.gap":
        return this.flush() + this.#line(event, gapText(event));
      default:
        return this.flush() + this.#line(event, `--- ${describe(event)} ---`);
    }
  }

  #enter(event: DecodedEvent): string {
    // After a wait the kernel begins the call again; for people it is the same call.
    if (event.values["restarted"] === true && this.#open.has(event.thread)) return this.flush();
    const before = this.flush();
    // These never return.
    if (neverReturn.has(event.values["name"] as string))
      return before + this.#line(event, `${event.values["text"]} = ?`);
    const call = { enter: event, written: false };
    this.#open.set(event.thread, call);
    this.#waiting = call;
    return before;
  }

  #exit(event: DecodedEvent): string {
    const call = this.#open.get(event.thread);
    this.#open.delete(event.thread);
    if (call !== undefined && call === this.#waiting) {
      this.#waiting = null;
      return this.#line(call.enter, event.values["text"] as string);
    }
    const before = this.flush();
    // Its beginning was before the trace began: the end's own text has the arguments too.
    if (call === undefined) return before + this.#line(event, event.values["text"] as string);
    return before + this.#line(event, `<... ${event.values["name"]} resumed>${restOf(call.enter, event)}`);
  }

  /** A thread ended inside a call, which thus never returns. */
  #gone(thread: number): string {
    const call = this.#open.get(thread);
    this.#open.delete(thread);
    if (call === undefined || call !== this.#waiting) return this.flush();
    this.#waiting = null;
    return this.#line(call.enter, `${call.enter.values["text"]} = ?`);
  }

  #line(event: DecodedEvent, text: string): string {
    const columns = this.#options.columns.map((column) => columnText[column](event));
    return `${[...columns, text].join(" ")}\n`;
  }
}

const columnText: Readonly<Record<TextColumn, (event: DecodedEvent) => string>> = {
  sequence: ({ sequence }) => `#${sequence}`,
  hart: ({ hart }) => `[hart ${hart}]`,
  task: ({ task, thread }) => {
    if (task === 0) return "[machine]";
    return thread === 0 || thread === task ? `[task ${task}]` : `[task ${task} thread ${thread}]`;
  },
  thread: ({ thread }) => `[thread ${thread}]`,
  time: ({ timeNs }) => seconds(timeNs, 6),
  timeNs: ({ timeNs }) => seconds(timeNs, 9),
  instructions: ({ instructions }) => `@${instructions}`,
};

function seconds(timeNs: number, digits: number): string {
  const fraction = String(timeNs % 1e9)
    .padStart(9, "0")
    .slice(0, digits);
  return `${Math.floor(timeNs / 1e9)}.${fraction}`;
}

const describe = (event: DecodedEvent): string => [event.name, ...describeFields(event)].join(" ");

/** `read(0, 0x1000, 5)` without what closes it, ready for "<unfinished ...>". */
function argumentsOf(enter: DecodedEvent): string {
  const text = (enter.values["text"] as string).replace(/\)$/, "");
  return text.endsWith("(") ? text : `${text} `;
}

/** What the end has to add to the beginning: arguments that the call filled in, and the result. */
function restOf(enter: DecodedEvent, exit: DecodedEvent): string {
  const begun = (enter.values["text"] as string).replace(/\)$/, "");
  const whole = exit.values["text"] as string;
  let shared = 0;
  while (shared < begun.length && begun[shared] === whole[shared]) shared += 1;
  // Back to the start of the argument that differs, unless the end leaves the later ones out.
  const argument =
    shared === begun.length || whole[shared] === ")"
      ? shared
      : Math.max(whole.lastIndexOf(", ", shared - 1) + 2, whole.indexOf("(") + 1);
  return whole.slice(argument);
}

function endOf({ values }: DecodedEvent): string {
  if (values["status"] === "exited") return `exited with ${values["code"]}`;
  if (values["status"] === "signaled") return `killed by signal ${values["code"]}`;
  return String(values["status"]);
}

const gapText = ({ values }: DecodedEvent): string =>
  `*** ${values["count"]} events are missing, numbers ${values["first"]} to ${values["last"]} ***`;

export function createTextFormatter(options: TextOptions = defaultText): TextFormatter {
  return new Formatter(options);
}
