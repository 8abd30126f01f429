/**
 * Where a compiler runs. From the strongest to the weakest, the first that works on this host is used:
 *
 *   mountNamespace   (root with CAP_SYS_ADMIN) own mounts, processes and network; a root directory that holds
 *                    the toolchain, read-only, and the box; an unprivileged user without capabilities.
 *   userNamespace    the same, made without privileges where the host allows user namespaces.
 *   unprivilegedUser (root only) the host's files, but as a user who owns nothing and without capabilities.
 *   none             the server's own user. Only the checks of source.ts and assembly.ts keep a source inside.
 *
 * In all of them: limits of CPU time, address space, file size and open files, no inherited environment, no
 * core dumps. Needs nothing but util-linux and coreutils, which every Debian has.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ChildEnd, type ChildSetup, runChild } from "./process.ts";
import type { Toolchain } from "./toolchain.ts";

export const CONTAINMENTS = ["mountNamespace", "userNamespace", "unprivilegedUser", "none"] as const;
export type Containment = (typeof CONTAINMENTS)[number];

export interface ProcessLimits {
  cpuSeconds: number;
  memoryBytes: number;
  fileBytes: number;
  wallMs: number;
}

/** A range that Debian hands to nobody; one user per box, so that boxes cannot reach each other either. */
const FIRST_UID = 65_000;
const UIDS = 500;
let nextUid = 0;

const word = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Makes the root directory that the command sees and enters it; the arguments are the command. With as few
 * processes as possible: this runs for every stage of every compilation.
 */
function enterScript(box: string, hostDirs: readonly string[], become: readonly string[]): string {
  const root = join(box, "root");
  const links = hostDirs.filter((dir) => lstatSync(dir).isSymbolicLink());
  const mounted = hostDirs.filter((dir) => !links.includes(dir));
  const inside = (dir: string) => word(join(root, dir));
  return [
    "set -e",
    `mount -t tmpfs -o size=256k,mode=755 ostler ${word(root)}`,
    `mkdir -p ${inside("work")} ${[...mounted, ...links.map((link) => dirname(link))].map(inside).join(" ")}`,
    ...mounted.map((dir) => `mount --bind -o ro ${word(dir)} ${inside(dir)}`),
    ...links.map((link) => `ln -s ${word(readlinkSync(link))} ${inside(link)}`),
    `mount --bind ${word(join(box, "work"))} ${inside("work")}`,
    `chmod 555 ${word(root)}`,
    `exec chroot ${word(root)} setpriv --no-new-privs --inh-caps=-all --bounding-set=-all ${become.join(" ")} -- "$@"`,
  ].join("\n");
}

/** $1: directory to start in, then the command. A limit that cannot be set ends it. */
const limitScript = (limits: ProcessLimits): string => `set -e
ulimit -c 0
ulimit -n 64
ulimit -t ${limits.cpuSeconds}
ulimit -v ${Math.floor(limits.memoryBytes / 1024)}
ulimit -f ${Math.floor(limits.fileBytes / 512)}
cd "$1"; shift
exec "$@"`;

const NAMESPACES = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"];
const isRoot = (): boolean => process.getuid?.() === 0;

/** A fresh directory for one compilation: `src` (where commands start), `out`, `tmp`. */
export class Box {
  readonly path: string;
  readonly #containment: Containment;
  readonly #toolchain: Toolchain;
  readonly #uid = FIRST_UID + (nextUid = (nextUid + 1) % UIDS);

  constructor(containment: Containment, toolchain: Toolchain) {
    this.#containment = containment;
    this.#toolchain = toolchain;
    this.path = mkdtempSync(join(realpathSync(tmpdir()), "ostler-compile-"));
    this.#lend(this.path);
    for (const dir of ["root", "work", "work/src"]) this.#lend(this.#make(dir));
    for (const dir of ["work/out", "work/tmp"]) this.#give(this.#make(dir));
  }

  writeSource(name: string, content: Uint8Array): void {
    const path = join(this.path, "work/src", name);
    writeFileSync(path, content);
    chmodSync(path, 0o444);
  }

  /**
   * A file that a command wrote to `out`; null if there is none. A command that was taken over must not be able to
   * make the server read something else for it: no links, nothing but a plain file.
   */
  readOutput(name: string, maxBytes: number): Buffer | null {
    const path = join(this.path, "work/out", name);
    const file =
      existsSync(path) && realpathSync(path) === path
        ? openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
        : null;
    if (file === null) return null;
    try {
      const stat = fstatSync(file);
      return stat.isFile() && stat.size <= maxBytes ? readFileSync(file) : null;
    } finally {
      closeSync(file);
    }
  }

  /** What commands see as their own directory. */
  get cwd(): string {
    return this.#isSeparate ? "/work/src" : join(this.path, "work/src");
  }

  async run(
    command: readonly string[],
    limits: ProcessLimits,
    kept: Pick<ChildSetup, "keptBytes" | "keepLine">,
    signal: AbortSignal,
  ): Promise<ChildEnd> {
    const env = {
      PATH: `${dirname(this.#toolchain.gcc)}:/usr/bin:/bin:/usr/sbin:/sbin`,
      LC_ALL: "C",
      TMPDIR: "../tmp",
      SOURCE_DATE_EPOCH: "0",
    };
    const limited = ["/bin/sh", "-c", limitScript(limits), "sh", this.cwd, ...command];
    return runChild({ ...kept, command: this.#contained(limited), cwd: this.path, env, wallMs: limits.wallMs }, signal);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  get #isSeparate(): boolean {
    return this.#containment === "mountNamespace" || this.#containment === "userNamespace";
  }

  #make(dir: string): string {
    const path = join(this.path, dir);
    mkdirSync(path);
    return path;
  }

  /** Commands may enter and read, but not change it. */
  #lend(path: string): void {
    if (isRoot()) chownSync(path, 0, this.#uid);
    chmodSync(path, 0o750);
  }

  #give(path: string): void {
    if (isRoot()) chownSync(path, this.#uid, this.#uid);
    chmodSync(path, 0o700);
  }

  #contained(command: string[]): string[] {
    const user = ["--reuid", String(this.#uid), "--regid", String(this.#uid), "--clear-groups"];
    const become = ["setpriv", ...user];
    const enter = (becomeInside: readonly string[]) => {
      const script = enterScript(this.path, this.#toolchain.hostDirs, becomeInside);
      return ["/bin/sh", "-c", script, "sh", ...command];
    };
    switch (this.#containment) {
      case "mountNamespace":
        return ["unshare", ...NAMESPACES, ...enter(user)];
      case "userNamespace":
        return [
          ...(isRoot() ? [...become, "--"] : []),
          "unshare",
          "--user",
          "--map-root-user",
          ...NAMESPACES,
          ...enter([]),
        ];
      case "unprivilegedUser":
        return [...become, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--", ...command];
      case "none":
        return command;
    }
  }
}

const PROBE_LIMITS: ProcessLimits = { cpuSeconds: 5, memoryBytes: 1 << 30, fileBytes: 1 << 20, wallMs: 60_000 };

/** The first of `wanted` in which the compiler starts and, where it should not, sees nothing of the host. */
export async function strongestContainment(
  wanted: readonly Containment[],
  toolchain: Toolchain,
): Promise<Containment | null> {
  for (const containment of wanted) {
    if ((containment === "mountNamespace" || containment === "unprivilegedUser") && !isRoot()) continue;
    if (await works(containment, toolchain)) return containment;
  }
  return null;
}

async function works(containment: Containment, toolchain: Toolchain): Promise<boolean> {
  const box = new Box(containment, toolchain);
  const separate = containment === "mountNamespace" || containment === "userNamespace";
  const blind = "test ! -e /etc/passwd && test ! -e /proc/self && test ! -e /tmp && ! touch /work/../x 2>/dev/null";
  const script = `${separate ? `${blind} && ` : ""}touch ../out/x && exec "$1" --version`;
  try {
    const end = await box.run(
      ["/bin/sh", "-c", script, "sh", toolchain.gcc],
      PROBE_LIMITS,
      { keptBytes: 4096 },
      AbortSignal.timeout(30_000),
    );
    return end.code === 0;
  } catch {
    return false;
  } finally {
    box.remove();
  }
}
