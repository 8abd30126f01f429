/**
 * A child process on a short leash: its whole process group dies when it takes too long or nobody wants it any
 * more, and what it says is kept up to a bound, however much it says.
 */
import { spawn } from "node:child_process";

export interface ChildSetup {
  command: readonly string[];
  cwd: string;
  env: Record<string, string>;
  wallMs: number;
  /** Bytes of text kept of each stream. */
  keptBytes: number;
  /** Sees every whole line of standard error, also beyond what is kept; false drops the line. */
  keepLine?: (line: string) => boolean;
}

export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Standard error, then standard output. */
  text: string;
  truncated: boolean;
  timedOut: boolean;
}

/** Longer lines are taken in pieces: a line must not be a way to fill the server's memory. */
const LINE_BYTES = 64 * 1024;

/** Keeps the first lines up to a number of bytes. */
class KeptLines {
  truncated = false;
  readonly #limit: number;
  readonly #keep: (line: string) => boolean;
  #kept: string[] = [];
  #keptBytes = 0;
  #open = "";

  constructor(limit: number, keep: (line: string) => boolean) {
    this.#limit = limit;
    this.#keep = keep;
  }

  add(text: string): void {
    const lines = (this.#open + text).split("\n");
    this.#open = lines.pop()!;
    for (const line of lines) this.#line(line);
    if (this.#open.length > LINE_BYTES) this.end();
  }

  end(): void {
    if (this.#open !== "") this.#line(this.#open);
    this.#open = "";
  }

  get text(): string {
    return this.#kept.join("\n") + (this.#kept.length > 0 ? "\n" : "");
  }

  #line(line: string): void {
    if (!this.#keep(line)) return;
    const bytes = Buffer.byteLength(line) + 1;
    if (this.truncated || this.#keptBytes + bytes > this.#limit) {
      this.truncated = true;
      return;
    }
    this.#kept.push(line);
    this.#keptBytes += bytes;
  }
}

/** Resolves when the process has ended, however it ended. Rejects when it could not be started, or with the signal's reason. */
export async function runChild(setup: ChildSetup, signal: AbortSignal): Promise<ChildEnd> {
  signal.throwIfAborted();
  const [program, ...args] = setup.command;
  const child = spawn(program!, args, {
    cwd: setup.cwd,
    env: setup.env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const errors = new KeptLines(setup.keptBytes, setup.keepLine ?? (() => true));
  const output = new KeptLines(setup.keptBytes, () => true);
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.add(text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => output.add(text));

  let timedOut = false;
  const kill = () => killGroup(child.pid);
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, setup.wallMs);
  signal.addEventListener("abort", kill);
  try {
    const end = await new Promise<Pick<ChildEnd, "code" | "signal">>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal }));
    });
    signal.throwIfAborted();
    errors.end();
    output.end();
    return { ...end, text: errors.text + output.text, truncated: errors.truncated || output.truncated, timedOut };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    // What it left behind in its group must not outlive it.
    kill();
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}
