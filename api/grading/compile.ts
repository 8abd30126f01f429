/**
 * From C source to a static ELF, by the cross-compiler that is installed. A source is an attacker's until proven
 * otherwise. What holds:
 *
 * - No reach outside: containment.ts hides the host as far as the host allows it, and independently of that
 *   source.ts and assembly.ts refuse a source that makes preprocessor, compiler or assembler open anything but
 *   toolchain headers. The linker gets one object file and no plugin.
 * - Bounded: CPU time, address space and file size of each stage, wall time, messages. What the source is to
 *   blame for is a failed compilation; a stage that the host was too slow for is UNAVAILABLE, never a grade.
 * - Same source, options and compiler: same bytes of program and of messages. No time, path, or random seed of
 *   the host gets in; messages that could quote addresses are replaced.
 *
 * Stages are run one by one, so that each output can be judged before the next stage reads it.
 */
import { createHash } from "node:crypto";
import { failedPrecondition, invalid, unavailable } from "../errors.ts";
import { assertAssembly } from "./assembly.ts";
import { Box, CONTAINMENTS, type Containment, type ProcessLimits, strongestContainment } from "./containment.ts";
import type { ChildEnd } from "./process.ts";
import {
  assertAsksNothing,
  assertInside,
  assertMissingInside,
  assertPreprocessed,
  END_OF_MESSAGES,
  openedFile,
  SOURCE_NAME,
  SourceRefused,
} from "./source.ts";
import { DEFAULT_COMPILER, findToolchain, type Toolchain } from "./toolchain.ts";

export const MAX_SOURCE_BYTES = 1024 * 1024;
export const MAX_PROGRAM_BYTES = 16 * 1024 * 1024;
export const MAX_MESSAGE_BYTES = 64 * 1024;
export const DEFAULT_OPTIONS = ["-O2", "-Wall"];
const LIMITS: ProcessLimits = {
  cpuSeconds: 10,
  memoryBytes: 1024 * 1024 * 1024,
  fileBytes: 64 * 1024 * 1024,
  wallMs: 60_000,
};
const EMPTY_PROGRAM = "int main(void) { return 0; }\n";
const MAX_QUOTE = 1_000;
const CACHED_BYTES = 64 * 1024 * 1024;

export interface Compiled {
  succeeded: boolean;
  messages: string;
  program: Uint8Array<ArrayBuffer> | null;
}

export interface CompilerOptions {
  /** Name on the path, or absolute path. */
  compiler?: string;
  /** Which containments may be used, strongest first. */
  containments?: readonly Containment[];
  limits?: Partial<ProcessLimits>;
}

const ALLOWED_OPTION =
  /^(-O[0-3sg]?|-W[A-Za-z0-9=-]*|-std=[a-z0-9]+|-f[a-z0-9=-]+|-g|-D[A-Za-z_][A-Za-z0-9_]*(=[A-Za-z0-9_]*)?|-m[a-z0-9=-]+|-pthread|-lm)$/;
/** Of the -f options: those that load code, read or write files, skip a stage or change what messages look like. */
const REFUSED_OPTION =
  /^-f(no-)?(plugin|dump|lto|use-ld|use-linker-plugin|preprocessed|directives-only|profile|branch-prob|auto-profile|test-coverage|coverage|stack-usage|callgraph|save|pch|working-directory|diagnostics|message-length|show-column|file-prefix|debug-prefix|macro-prefix|random-seed|compare|record|input-charset|exec-charset|wide-exec|syntax-only|opt-info|verbose-asm|self-test|checking|canonical|integrated|extended-ident)/;

/** Throws INVALID_ARGUMENT for an option that may not be used. */
export function checkCompileOptions(options: readonly string[], field: string): void {
  for (const [index, option] of options.entries()) {
    if (!ALLOWED_OPTION.test(option) || REFUSED_OPTION.test(option)) {
      throw invalid(
        `${field}[${index}]`,
        `${JSON.stringify(option)} is not allowed; options that optimise (-O), warn (-W), choose the language (-std=), generate code (-f, -m, -g) or define (-D) are, and -pthread and -lm`,
      );
    }
  }
}

interface Ready {
  toolchain: Toolchain;
  containment: Containment;
}

/** A stage that did not do its work: what to tell the author. */
class StageFailed extends Error {}

export class Compiler {
  readonly #options: CompilerOptions;
  readonly #limits: ProcessLimits;
  readonly #cache = new Map<string, Compiled>();
  #cachedBytes = 0;
  #ready: Promise<Ready | null> | null = null;

  constructor(options: CompilerOptions = {}) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
  }

  /** Which compiler is used and how it is contained; null when none is installed or it cannot be run. */
  async describe(): Promise<{ version: string; containment: Containment } | null> {
    const ready = await this.#prepare();
    return ready === null ? null : { version: ready.toolchain.version, containment: ready.containment };
  }

  /** Throws FAILED_PRECONDITION when C cannot be compiled on this server. */
  async assertAvailable(): Promise<void> {
    await this.#readyOrThrow();
  }

  async compile(source: Uint8Array, options: readonly string[], signal: AbortSignal): Promise<Compiled> {
    checkCompileOptions(options, "options");
    const ready = await this.#readyOrThrow();
    const chosen = options.length > 0 ? options : DEFAULT_OPTIONS;
    const key = createHash("sha256")
      .update(JSON.stringify([ready.toolchain.version, chosen]))
      .update(source)
      .digest("hex");
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known;
    }
    const compiled = await new Compilation(ready, this.#limits, chosen, signal).run(source);
    this.#remember(key, compiled);
    return compiled;
  }

  /** Throws INVALID_ARGUMENT for options with which not even an empty program compiles; says nothing without a compiler. */
  async assertUsable(options: readonly string[], field: string, signal: AbortSignal): Promise<void> {
    if (options.length === 0 || (await this.#prepare()) === null) return;
    const { succeeded, messages } = await this.compile(Buffer.from(EMPTY_PROGRAM), options, signal);
    if (!succeeded)
      throw invalid(field, `an empty program does not compile with them: ${messages.trim().slice(0, MAX_QUOTE)}`);
  }

  #prepare(): Promise<Ready | null> {
    this.#ready ??= this.#find();
    return this.#ready;
  }

  async #find(): Promise<Ready | null> {
    const toolchain = await findToolchain(this.#options.compiler ?? DEFAULT_COMPILER);
    if (toolchain === null) return null;
    const containment = await strongestContainment(this.#options.containments ?? CONTAINMENTS, toolchain);
    return containment === null ? null : { toolchain, containment };
  }

  async #readyOrThrow(): Promise<Ready> {
    const ready = await this.#prepare();
    if (ready !== null) return ready;
    throw failedPrecondition(
      "NO_C_COMPILER",
      `This server cannot compile C: ${this.#options.compiler ?? DEFAULT_COMPILER} is not installed or cannot be run. Install it (Debian: apt-get install gcc-riscv64-linux-gnu libc6-dev-riscv64-cross), or submit an ELF file.`,
    );
  }

  #remember(key: string, compiled: Compiled): void {
    this.#cache.set(key, compiled);
    this.#cachedBytes += sizeOf(compiled);
    for (const [oldest, value] of this.#cache) {
      if (this.#cachedBytes <= CACHED_BYTES) return;
      this.#cache.delete(oldest);
      this.#cachedBytes -= sizeOf(value);
    }
  }
}

const sizeOf = ({ messages, program }: Compiled): number => messages.length * 2 + (program?.length ?? 0) + 256;

/** One source on its way through the stages. */
class Compilation {
  readonly #toolchain: Toolchain;
  readonly #limits: ProcessLimits;
  readonly #options: readonly string[];
  readonly #signal: AbortSignal;
  readonly #box: Box;
  #messages = "";

  constructor(
    { toolchain, containment }: Ready,
    limits: ProcessLimits,
    options: readonly string[],
    signal: AbortSignal,
  ) {
    this.#toolchain = toolchain;
    this.#limits = limits;
    this.#options = options;
    this.#signal = signal;
    this.#box = new Box(containment, toolchain);
  }

  async run(source: Uint8Array): Promise<Compiled> {
    try {
      const program = await this.#stages(source);
      return { succeeded: true, messages: cut(this.#hostless(this.#messages)), program };
    } catch (error) {
      if (error instanceof SourceRefused) return { succeeded: false, messages: `${error.message}\n`, program: null };
      if (error instanceof StageFailed)
        return { succeeded: false, messages: cut(this.#hostless(this.#messages + error.message)), program: null };
      throw error;
    } finally {
      this.#box.remove();
    }
  }

  /** Headers by the names that sources include, tools and libraries by their own: the same wherever they lie. */
  #hostless(messages: string): string {
    const { includeDirs, hostDirs } = this.#toolchain;
    const headers = [...includeDirs].sort((a, b) => b.length - a.length).map((dir) => `${dir}/`);
    const others = new RegExp(`(?:${hostDirs.map(escaped).join("|")})/(?:[\\w.+-]+/)*`, "g");
    const strip = (line: string) =>
      headers.reduce((text, header) => text.replaceAll(header, ""), line).replace(others, "");
    return messages
      .split("\n")
      .map((line) => (QUOTED_SOURCE.test(line) ? line : strip(line)))
      .join("\n");
  }

  async #stages(source: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    if (source.length > MAX_SOURCE_BYTES)
      throw new SourceRefused(`The source has ${source.length} bytes; at most ${MAX_SOURCE_BYTES} are compiled.`);
    assertAsksNothing(Buffer.from(source).toString("latin1"));
    this.#box.writeSource(SOURCE_NAME, source);
    await this.#preprocess();
    assertPreprocessed(this.#read("main.i").toString("latin1"), this.#toolchain.includeDirs);
    const machine = this.#options.filter((option) => option.startsWith("-m"));
    const generate = this.#options.filter((option) => !/^-(D|lm$)/.test(option));
    await this.#stage([
      ...generate,
      "-S",
      "-x",
      "cpp-output",
      "-fno-lto",
      "-frandom-seed=ostler",
      `-fdebug-prefix-map=${this.#box.cwd}=.`,
      "-o",
      "../out/main.s",
      "../out/main.i",
    ]);
    assertAssembly(this.#read("main.s").toString("latin1"));
    await this.#stage([...machine, "-c", "-x", "assembler", "-o", "../out/main.o", "../out/main.s"]);
    const libraries = this.#options.filter((option) => option === "-lm");
    const link = this.#options.filter((option) => /^-(pthread|fsanitize)/.test(option));
    await this.#stage([
      ...machine,
      ...link,
      "-static",
      "-fno-lto",
      "-fno-use-linker-plugin",
      "-Wl,--build-id=none",
      "-o",
      "../out/program",
      "../out/main.o",
      ...libraries,
    ]);
    return new Uint8Array(this.#read("program", MAX_PROGRAM_BYTES));
  }

  async #preprocess(): Promise<void> {
    const { includeDirs } = this.#toolchain;
    let refusal: SourceRefused | null = null;
    let ended = false;
    const attempt = (check: () => void) => {
      try {
        check();
      } catch (error) {
        refusal ??= error as SourceRefused;
      }
    };
    const keepLine = (line: string): boolean => {
      const opened = openedFile(line);
      if (line === END_OF_MESSAGES) ended = true;
      if (ended) return false;
      attempt(() => (opened === null ? assertMissingInside(line, includeDirs) : assertInside(opened, includeDirs)));
      return opened === null;
    };
    const options = this.#options.filter((option) => option !== "-lm");
    const fixed = [
      "-Wno-builtin-macro-redefined",
      '-D__DATE__="Jan  1 2026"',
      '-D__TIME__="00:00:00"',
      '-D__TIMESTAMP__="Thu Jan  1 00:00:00 2026"',
    ];
    const command = [
      ...options,
      ...fixed,
      "-E",
      "-H",
      "-x",
      "c",
      "-nostdinc",
      ...includeDirs.flatMap((dir) => ["-isystem", dir]),
      "-fno-working-directory",
      "-fno-diagnostics-show-caret",
      "-o",
      "../out/main.i",
      SOURCE_NAME,
    ];
    // A refusal comes before whatever the stage said: that may quote what may not be seen.
    const failure: unknown = await this.#stage(command, keepLine).then(
      () => null,
      (error: unknown) => error,
    );
    if (refusal !== null) throw refusal;
    if (failure !== null) throw failure;
  }

  async #stage(options: readonly string[], keepLine: (line: string) => boolean = () => true): Promise<void> {
    const command = [this.#toolchain.gcc, "-fdiagnostics-color=never", ...options];
    const end = await this.#box.run(command, this.#limits, { keptBytes: MAX_MESSAGE_BYTES, keepLine }, this.#signal);
    if (end.timedOut) {
      throw unavailable(
        "COMPILER_TOO_SLOW",
        `The compiler did not end within ${this.#limits.wallMs / 1000} s.`,
        10_000,
      );
    }
    if (end.code === 0) {
      this.#messages += end.text;
      return;
    }
    throw new StageFailed(explained(end, this.#limits));
  }

  /** A file that a stage wrote. A stage that reported success without one has failed. */
  #read(name: string, maxBytes = this.#limits.fileBytes): Buffer {
    const content = this.#box.readOutput(name, maxBytes);
    if (content === null) throw new StageFailed(`The compiler gave no output of at most ${maxBytes} bytes.\n`);
    return content;
  }
}

/**
 * What a failed stage said, without what differs from run to run: addresses, amounts of memory, and which of two
 * limits a bomb ran into first.
 */
function explained(end: ChildEnd, limits: ProcessLimits): string {
  const { text } = end;
  const isKilled = [end.signal, signalOf(end.code)].some(
    (signal) => signal === "SIGKILL" || signal === "SIGXCPU" || signal === "SIGXFSZ",
  );
  if (isKilled || LIMIT_MET.test(text)) {
    return `The compiler needed more than it may have: ${limits.cpuSeconds} s of CPU time, ${limits.memoryBytes} bytes of memory, files of ${limits.fileBytes} bytes.\n`;
  }
  const broken = text.search(/internal compiler error|Segmentation fault|Aborted|stack smashing/);
  return broken < 0
    ? text
    : `${text.slice(0, text.lastIndexOf("\n", broken) + 1)}The compiler broke down over this source.\n`;
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** `   12 | int main(void)`, and the marks below it. */
const QUOTED_SOURCE = /^\s*\d*\s+\|/;

const LIMIT_MET =
  /out of memory|memory exhausted|Cannot allocate memory|std::bad_alloc|File too large|File size limit exceeded|CPU time limit exceeded|\bKilled\b/i;

/** A shell between us and the process turns a signal into a code. */
function signalOf(code: number | null): string {
  const names: Record<number, string> = { 137: "SIGKILL", 152: "SIGXCPU", 153: "SIGXFSZ" };
  return names[code ?? 0] ?? "";
}

/** To 64 KiB, at the end of a line if there is one. */
function cut(messages: string): string {
  if (Buffer.byteLength(messages) <= MAX_MESSAGE_BYTES) return messages;
  const note = "(more messages were left out)\n";
  const head = Buffer.from(messages)
    .subarray(0, MAX_MESSAGE_BYTES - note.length)
    .toString();
  const lineEnd = head.lastIndexOf("\n");
  return (lineEnd > 0 ? head.slice(0, lineEnd + 1) : head.replace(/\ufffd$/, "\n")) + note;
}
