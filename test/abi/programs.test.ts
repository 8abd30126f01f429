/** Real programs, built against glibc, and what they see. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { compileC } from "../support/guest.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  mustApply,
  runOn,
  runProgram,
  startInput,
  testMachine,
} from "../support/machine.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const lines = (console: string): string[] => console.split("\n").slice(0, -1);

describe.skipIf(!hasCompiler)("programs under the Linux personality (needs riscv64-linux-gnu-gcc)", () => {
  it("prints, floating point included, and returns its exit code", () => {
    const { console, exit, stop } = runProgram(guest("hello"));
    expect(console).toBe("hello, world: 42 3.142 1.500000e-07\n");
    expect(exit?.status).toEqual({ kind: "exited", code: 7 });
    expect(exit?.fault).toBeNull();
    expect(stop).toEqual({ kind: "idle" });
  });

  it("keeps 8 bits of an exit code", () => {
    expect(runProgram(guest("faults"), { arguments: ["x", "exit"] }).exit?.status).toEqual({
      kind: "exited",
      code: 255,
    });
  });

  it("finds arguments, environment and auxiliary vector", () => {
    const { console } = runProgram(guest("arguments"), {
      arguments: ["me", "two words", "ünï", ""],
      environment: ["A=1", "B="],
    });
    expect(lines(console)).toEqual([
      "arg 0 me",
      "arg 1 two words",
      "arg 2 ünï",
      "arg 3 ",
      "env A=1",
      "env B=",
      "pagesz 4096",
      "clktck 100",
      "hwcap 112d",
      "uid 1000 1000",
      "secure 0",
      "phnum>0 1",
      "execfn /bin/program",
      expect.stringMatching(/^random [0-9a-f]{32}$/),
      "aligned 1",
    ]);
  });

  it("finds out from all who tell it that the processor can manipulate bits", () => {
    const asked = `#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) { struct { long key; unsigned long value; } pairs[] = {{4, 0}, {5, 0}, {1000, 0}};
  long result = syscall(258, pairs, 3, 0, 0, 0);
  for (int i = 0; i < 3; i++) printf("%ld %ld %lx\\n", result, pairs[i].key, pairs[i].value);
  char line[200]; FILE *f = fopen("/proc/cpuinfo", "r");
  while (fgets(line, sizeof line, f)) if (line[0] == 'i') fputs(line, stdout); }`;
    // F with D, C, Zba, Zbb, Zbs.
    const isa = "isa\t\t: rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs";
    expect(lines(runProgram(compileC(asked)).console)).toEqual(["0 4 3b", "0 5 3", "0 -1 0", isa]);
  });

  it("is no other file where its path is longer than a path can be", () => {
    const deep = `#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) { char text[5000];
  if (argc > 1) {
    const char *links[] = {"/proc/self/exe", "/proc/self/cwd", "/proc/self/fd/9"};
    for (int i = 0; i < 3; i++) { errno = 0; printf("%zd %d\\n", readlink(links[i], text, sizeof text), errno == ENAMETOOLONG); }
    printf("%d\\n", open(links[2], O_RDONLY) >= 0);
    return open(links[0], O_RDONLY) >= 0 || errno != ENAMETOOLONG;
  }
  chdir("/tmp");
  memset(text, 'd', 250); text[250] = 0;
  for (int i = 0; i < 17; i++) { mkdir(text, 0755); chdir(text); }
  int from = open("/proc/self/exe", O_RDONLY), to = open("program", O_CREAT | O_WRONLY, 0755);
  while (sendfile(to, from, 0, 1 << 20) > 0); close(to); dup2(open("program", O_RDONLY), 9);
  execl("./program", "program", "again", NULL); perror("exec"); }`;
    const { console, exit } = runProgram(compileC(deep));
    expect([lines(console), exit?.status]).toEqual([["-1 1", "-1 1", "-1 1", "1"], { kind: "exited", code: 0 }]);
  });

  it("gets the machine's environment when it brings none", () => {
    expect(runProgram(guest("arguments")).console).toContain("env HOME=/\nenv LANG=C\n");
  });

  it("allocates, resizes and frees", () => {
    expect(runProgram(guest("allocate")).console).toMatch(/^ok /);
  });

  it("maps, protects, moves and discards memory as the manual says", () => {
    expect(runProgram(guest("memory")).console).toBe("ok\n");
  });

  it("has clocks that follow virtual time, and sleeps by skipping", () => {
    const { console, machine } = runProgram(guest("clocks"));
    expect(lines(console)).toEqual([
      "epoch 1700000000 1700000000",
      "res 1",
      "slept 0 1",
      "until 0 1",
      "hour 3600",
      "cpu small 1",
      "rusage 1",
      "Tue Nov 14 23:13:30 2023",
      "rdtime 1",
    ]);
    expect(machine.position().timeNs).toBeGreaterThan(3_610_000_000_000);
  });

  it("gets random bytes by the machine's seed", () => {
    const random = (seed: bigint): string => runProgram(guest("random"), { config: { seed } }).console;
    expect(random(1n)).toMatch(/^[0-9a-f]{48}\n$/);
    expect(random(1n)).toBe(random(1n));
    expect(random(1n)).not.toBe(random(2n));
  });

  it("reads standard input that was known beforehand, then its end", () => {
    const { console, exit } = runProgram(guest("echo"), { stdin: "one\ntwo\nthree" });
    expect(console).toBe("ready\ngot one\ngot two\ngot threeend after 3\n");
    expect(exit?.status).toEqual({ kind: "exited", code: 3 });
  });

  it("waits for the console and goes on when something is typed", () => {
    const machine = testMachine({ files: [fileOf("/bin/echo", guest("echo"))] });
    const task = mustApply(machine, startInput("/bin/echo"))!;
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(consoleOf(machine.drainOutputs())).toBe("ready\n");
    expect(machine.tasks()[0]).toMatchObject({
      task,
      state: "running",
      threads: [{ state: "blocked", wait: "console read" }],
    });
    mustApply(machine, { kind: "console", bytes: encode("hal") });
    expect(runOn(machine)).toEqual({ kind: "idle" });
    mustApply(machine, { kind: "console", bytes: encode("lo\n") });
    runOn(machine);
    expect(consoleOf(machine.drainOutputs())).toBe("got hallo\n");
    mustApply(machine, { kind: "consoleEnd" });
    runOn(machine);
    const outputs = machine.drainOutputs();
    expect(consoleOf(outputs)).toBe("end after 1\n");
    expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 1 });
    expect(machine.summary()).toMatchObject({ run: "idle", taskCount: 0 });
  });

  it("opens, reads, maps and stats the machine's files", () => {
    const file = fileOf("/data/file.txt", encode("first line\nsecond line\nlast\n"), 0o644);
    const { console } = runProgram(guest("files"), { config: { files: [file] } });
    expect(lines(console)).toEqual([
      "line first line",
      "line second line",
      "line last",
      "size 28 mode 100644",
      "tail 5 last",
      "head 5 first",
      "mapped first",
      "private Xirst",
      "file still first",
      "dup 4 20 cloexec 1",
      "still open 5",
      'open("/nowhere", O_RDONLY) = ENOENT',
      'open("/nowhere", O_CREAT | O_WRONLY, 0644) = EACCES',
      'open("/data/file.txt", O_RDWR) = EACCES',
      'open("/data/file.txt/x", O_RDONLY) = ENOTDIR',
      'open("/data", O_WRONLY) = EISDIR',
      "close(99) = EBADF",
      "read(99, line, 1) = EBADF",
      "lseek(1, 0, SEEK_SET) = ESPIPE",
      'stat("/data", &s) = ok',
      "dir 1",
      "ioctl(d, TIOCGWINSZ, &w) = ENOTTY",
      "ioctl(1, TIOCGWINSZ, &w) = ok",
      "tty 1 0, 80x24",
      "exe /bin/program",
      "cwd /",
      'access("/data/file.txt", R_OK) = ok',
      'access("/data/file.txt", W_OK) = EACCES',
    ]);
  });

  it("runs threads with mutexes, conditions, thread-local storage and timeouts", () => {
    const { console } = runProgram(guest("threads"));
    expect(lines(console)).toEqual(["total 16000 count 16000 sum 16028", "consumed 4950", "timedwait 1"]);
  });

  it("answers unknown calls with ENOSYS and wild pointers with EFAULT", () => {
    const { console } = runProgram(guest("unknown"), { stdin: "x" });
    expect(lines(console)).toEqual([
      "-1 ENOSYS",
      "-1 ENOSYS",
      "bpf -1 ENOSYS",
      "Linux testbox riscv64",
      "ram 1 procs 1",
      "stack 8388608",
      "poll 2 1 4",
      "poll nothing 1",
      "cpus 1 pid 1 tid 1 uid 1000",
      "write -1 EFAULT",
      "read -1 EFAULT",
    ]);
  });

  it("runs many programs one after the other without losing a frame", () => {
    const machine = testMachine({ files: [fileOf("/bin/hello", guest("hello"))] });
    const free = (): number =>
      machine
        .tasks()
        .filter(({ state }) => state === "running")
        .reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    for (let i = 0; i < 300; i++) {
      mustApply(machine, startInput("/bin/hello"));
      expect(runOn(machine)).toEqual({ kind: "idle" });
    }
    expect(free()).toBe(0);
    expect(machine.tasks()).toHaveLength(256);
    expect(consoleOf(machine.drainOutputs())).toHaveLength(300 * 36);
  });

  it("shares one processor among several programs", () => {
    const machine = testMachine({
      files: [fileOf("/bin/spin", guest("faults")), fileOf("/bin/hello", guest("hello"))],
    });
    const spin = mustApply(machine, startInput("/bin/spin", { arguments: ["x", "spin"] }))!;
    const hello = mustApply(machine, startInput("/bin/hello"))!;
    machine.run({ instructions: 100_000, timeNs: Number.MAX_SAFE_INTEGER });
    expect(exitOf(machine.drainOutputs())).toMatchObject({ task: hello });
    expect(machine.tasks().find(({ task }) => task === spin)?.instructions).toBeGreaterThan(80_000);
    expect(machine.position().instructions).toBe(100_000);
  });
});
