/**
 * Debian's programs, dynamically linked against its C library, on a root file system that is a tar archive of its
 * packages. They are fetched by the host's own apt (packages.ts), and left out where that cannot be.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Machine, PageTree } from "../../kernel/index.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, exitOf, fileOf, mustApply, runOn, startInput, testMachine } from "../support/machine.ts";
import { Shelf } from "../support/shelf.ts";
import { rootArchive } from "./root.ts";

function rootOrReason(): { root: string } | { reason: string } {
  try {
    return { root: fileOf("", rootArchive()).content };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

const found = rootOrReason();
const reason = "reason" in found ? ` (Debian's packages cannot be had: ${found.reason})` : "";

/** A machine in which dash begins with a script. */
function begun(text: string): Machine {
  const machine = testMachine({
    memoryBytes: 64 * 2 ** 20,
    environment: ["PATH=/usr/bin", "HOME=/tmp"],
    ...("root" in found && { root: found.root }),
  });
  mustApply(machine, startInput("/usr/bin/dash", { arguments: ["dash", "-c", text], stdin: "" }));
  return machine;
}

/** What a script of dash prints. */
function script(text: string): { console: string; code: unknown; broken: string[] } {
  const machine = begun(text);
  runOn(machine, 5e9);
  const outputs = machine.drainOutputs();
  return { console: consoleOf(outputs), code: exitOf(outputs)?.status, broken: brokenInvariants(machine) };
}

const prints = (text: string, lines: readonly string[]): void => {
  const ran = script(text);
  expect(ran.console.split("\n").slice(0, -1)).toEqual(lines);
  expect(ran.broken).toEqual([]);
};

/** Ends in another root, as a first program's. */
const mounting = `
mkdir /m; mount -t tmpfs -o size=1m,nodev mine /m; mountpoint /m; findmnt -nr -o TARGET,FSTYPE,SOURCE,OPTIONS /m
mkdir /m/a /m/b; echo hello >/m/a/f; mount --bind /m/a /m/b; cat /m/b/f; mount -o remount,bind,ro /m/b
echo x >/m/b/g; umount /m/b; mountpoint -q /m/b || echo not a mountpoint
unshare -m sh -c 'mount -t tmpfs own /m/b; touch /m/b/own; ls /m/b'
ls /m/b; test $(unshare -m readlink /proc/self/ns/mnt) = $(readlink /proc/self/ns/mnt) || echo apart
unshare -m sh -c 'mount -t tmpfs new /m/b; cd /m/b; mkdir old proc usr; touch file; mount -t proc proc proc
  mount --rbind /usr usr; for d in bin lib; do mkdir $d; mount --bind /$d $d; done; pivot_root . old
  findmnt -nr -o TARGET,FSTYPE,SOURCE /; cd /; echo *; umount -l /old; test -e /old/usr || echo gone'
cat /m/a/f; umount /m; mount -t tmpfs next /m; cd /m; mkdir -p dev proc sys tmp usr/bin usr/lib/riscv64-linux-gnu
for d in bin lib; do ln -s usr/$d $d; done; cp -a /usr/bin/dash usr/bin; cp -a /usr/lib/ld-linux* usr/lib
cp -a /usr/lib/riscv64-linux-gnu/libc.so* /usr/lib/riscv64-linux-gnu/ld-linux* usr/lib/riscv64-linux-gnu
exec switch_root /m /usr/bin/dash -c 'while read -r source on kind rest; do test $on != / || echo $on $kind $source; done </proc/mounts; echo *'
`;

/** Of an ordinary user. */
const spaces = `
unshare -Ur sh -c 'echo $(id -u) $(id -g); echo $(cat /proc/self/uid_map)'; unshare -U id -u
unshare -Urfp --mount-proc sh -c 'ps -e -o pid=,ppid=,comm= | sed "s/^ *//; s/  */ /g"; echo $$'
mkfifo /tmp/go /tmp/up; unshare -Urufp --mount-proc sh -c 'echo >/tmp/up; read x </tmp/go; echo over' &
read x </tmp/up; inner=$(pgrep -x sh)
nsenter --preserve-credentials -t $inner -U -u -p -m sh -c 'echo entered $(id -u); ps -o pid=,ppid=,comm= -C sh | sed "s/^ *//; s/  */ /g"'
for kind in user uts pid mnt; do test $(readlink /proc/$inner/ns/$kind) != $(readlink /proc/self/ns/$kind) || echo $kind; done
echo $(grep NSpid /proc/$inner/status); echo >/tmp/go; wait
unshare -Urin sh -c 'lsns -n -o TYPE,NPROCS -p $$ | sed "s/  */ /g"'
`;

describe.skipIf("reason" in found)(`Debian's programs on a root from an archive${reason}`, () => {
  test("pipelines of dash, coreutils, sed, grep and mawk", () => {
    prints("seq 1 100 | mawk '{ s += $1 } END { print s }'; printf '%s\\n' c a b | sort | tac | head -2", [
      "5050",
      "c",
      "b",
    ]);
    prints("cd /tmp; echo hello world > f; cp f g; sed -i s/world/there/ g; grep -c there g; cat f g; rm f; ls", [
      "1",
      "hello world",
      "hello there",
      "g",
    ]);
  });

  test("a database with a thousand transactions", () => {
    const insert = "seq 1 1000 | sed 's/.*/begin; insert into t values(&); commit;/'";
    prints(
      `cd /tmp; { echo 'create table t(a);'; ${insert}; echo 'select count(*), sum(a) from t; pragma integrity_check;'; } | sqlite3 t.db`,
      ["1000|500500", "ok"],
    );
  });

  test("an interpreter that computes and reads files", () => {
    prints(
      `cd /tmp; lua5.4 -e 'local f = io.open("x", "w"); for i = 1, 1000 do f:write(i, "\\n") end f:close()
       local s = 0 for l in io.lines("x") do s = s + tonumber(l) end print(s)'; wc -l x; find /tmp -type f`,
      ["500500", "1000 x", "/tmp/x"],
    );
  });

  test("ps, pgrep and top see the processes as they are", () => {
    prints(
      `sleep 100 & ps -o pid,ppid,stat,comm | sed 's/  */ /g'; pgrep sleep
       TERM=dumb top -b -n1 | gawk '/^Tasks/ || $NF == "sleep" { print $1, $2, $NF, $8 }'; kill $!; wait $!; echo $?`,
      [
        ...[" PID PPID STAT COMMAND", " 1 0 Ss+ dash", " 2 1 S+ sleep", " 3 1 R+ ps", " 4 1 S+ sed", "2"],
        ...["Tasks: 4 zombie 0", "2 1000 sleep S", "143"],
      ],
    );
  });

  test("vmstat and free add up", () => {
    prints(
      `vmstat | mawk 'NR == 3 { for (i = 13; i <= NF; i++) s += $i; print ($4 > 0), $7 + $8 + $9 + $10, (s > 97 && s < 103) }'
       free -k | mawk '/^Mem/ { print $2 == $3 + $7, $4 <= $7 }'; vmstat 1 2 | wc -l`,
      ["1 0 1", "1 1", "4"],
    );
  });

  test.each(["shell", "workshop"])("the long script %s has the results in dash that a Linux gives it", (name) => {
    const text = readFileSync(new URL(`programs/${name}.sh`, import.meta.url), "utf8");
    const onLinux = readFileSync(new URL(`programs/${name}.out`, import.meta.url), "utf8");
    prints(text, onLinux.split("\n").slice(0, -1));
    if (!existsSync("/usr/bin/dash")) return;
    const { stdout } = spawnSync("/usr/bin/dash", ["-c", text], { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } });
    expect(stdout).toBe(onLinux);
  });

  test("a program of gawk with arrays, functions and a command that it reads from", () => {
    prints(
      `gawk 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
       BEGIN { while (("seq 1 1000 | sort -rn" | getline n) > 0) a[n % 7] += n
               for (i = 0; i < 7; i++) printf "%d ", a[i]; print fib(15), toupper(substr("pipeline", 1, 4)) }'`,
      ["71071 71214 71357 71500 71643 71786 71929 610 PIPE"],
    );
  });

  test("what /sys tells of processors, memory and interfaces", () => {
    prints(
      `nproc; cd /sys/devices/system; cat cpu/online cpu/cpu0/topology/core_siblings node/node0/cpumap node/online; ls -d cpu/cpu*
       cat /sys/class/net/lo/mtu /sys/class/tty/console/active /sys/kernel/mm/transparent_hugepage/enabled; ls /sys/class/mem`,
      [
        ...["1", "0", "1", "1", "0", "cpu/cpu0", "65536", "ttyS0", "always madvise [never]"],
        "full  null  random  urandom  zero",
      ],
    );
  });

  test("mount, findmnt, unshare, pivot_root and switch_root of root's", () => {
    const machine = testMachine({
      memoryBytes: 64 * 2 ** 20,
      environment: ["PATH=/usr/bin:/usr/sbin", "HOME=/tmp"],
      init: { paths: ["/usr/bin/dash"], arguments: ["-c", mounting] },
      ...("root" in found && { root: found.root }),
    });
    runOn(machine, 5e9);
    expect(consoleOf(machine.drainOutputs()).split("\r\n").slice(0, -1)).toEqual([
      ...["/m is a mountpoint", "/m tmpfs mine rw,nodev,relatime,size=1024k", "hello"],
      ...["/usr/bin/dash: 4: cannot create /m/b/g: Read-only file system", "not a mountpoint", "own", "apart"],
      ...["/ tmpfs new", "bin file lib old proc usr", "gone", "hello", "/ tmpfs next", "bin dev lib proc sys tmp usr"],
    ]);
    expect(brokenInvariants(machine)).toEqual([]);
  });

  test("unshare, nsenter and lsns make, enter and list name spaces, as an ordinary user", () => {
    prints(spaces, [
      ...["0 0", "0 1000 1", "65534", "1 0 sh", "2 1 ps", "3 1 sed", "1", "entered 0", "1 0 sh", "2 0 sh"],
      ...["NSpid: 13 1", "over", "mnt 3", "pid 3", "uts 3", "user 3", "ipc 3", "net 3"],
    ]);
  });

  test("a pipeline that was taken apart in the middle prints the same elsewhere", () => {
    const machine = begun(
      "seq 1 3000 | sed s/7/seven/ | tee /tmp/kept | sort | tac | gawk 'NR % 500 == 1'; wc -l /tmp/kept",
    );
    const shelf = new Shelf();
    const stages: { root: string; printed: string; tasks: number }[] = [];
    let tree: PageTree | null = null;
    let printed = "";
    for (let at = 2_000_000; runOn(machine, at - machine.position().instructions).kind === "limit"; at += 8_000_000) {
      printed += consoleOf(machine.drainOutputs());
      const captured = shelf.capture(machine, tree);
      tree = captured.tree;
      stages.push({ root: captured.root, printed, tasks: machine.summary().taskCount });
    }
    printed += consoleOf(machine.drainOutputs());
    expect(printed.split("\n")).toHaveLength(8);
    expect(Math.max(...stages.map(({ tasks }) => tasks))).toBeGreaterThan(4);
    for (const stage of stages) {
      const other = shelf.load(stage.root);
      shelf.run(other.machine, other.tree);
      expect(stage.printed + consoleOf(other.machine.drainOutputs())).toBe(printed);
      expect(other.machine.position()).toEqual(machine.position());
      expect(brokenInvariants(other.machine)).toEqual([]);
    }
  });
});
