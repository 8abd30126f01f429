/** What only root may do, and so cannot be compared with the host's Linux, which tests do not run as root on. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { guest, hasCompiler, hostProgram } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, runOn, testMachine } from "../support/machine.ts";

const expected = `first testbox.(none) uts:[4026531838] ipc:[4026531839]
sethostname("renamed", 7) = 0
setdomainname("example\\0x", 9) = 0
sethostname("x", -1) = -1 EINVAL
sethostname("x", 65) = -1 EINVAL
sethostname((char *)8, 5) = -1 EFAULT
now renamed.example
first >= 0 = 1
read(first, (char[9]){0}, 9) = -1 EINVAL
unshare(0x12) = -1 EINVAL
unshare(CLONE_NEWUTS) = 0
unshared renamed.example uts:[4026531841]
sethostname("own", 3) = 0
own own.example
forked own.example uts:[4026531841]
sethostname("both", 4) = 0
after both.example
clone both.example
sethostname("cloned", 6) = 0
child cloned.example uts:[4026531842]
waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 = 1
still both.example
setns(first, CLONE_NEWIPC) = -1 EINVAL
setns(0, 0) = -1 EINVAL
setns(99, 0) = -1 EBADF
setns(first, 0) = 0
back renamed.example uts:[4026531838]
named("one") = 0
named("one") = -1 EADDRINUSE
port(SOCK_STREAM) = 0
port(SOCK_STREAM) = -1 EADDRINUSE
port(SOCK_DGRAM) = 0
unshare(CLONE_NEWNET | CLONE_NEWUTS) = 0
sethostname("child", 5) = 0
reaches("one") = -1 ECONNREFUSED
named("one") = 0
named("two") = 0
port(SOCK_STREAM) = 0
port(SOCK_DGRAM) = 0
reaches("two") = -1 ECONNREFUSED
setns(fd, 0) = -1 EINVAL
setns(fd, CLONE_NEWNET | 1) = -1 EINVAL
setns(fd, CLONE_NEWNET | CLONE_NEWUTS) = 0
reaches("two") = 0
port(SOCK_STREAM) = -1 EADDRINUSE
entered child.example
ioctl(net, NS_GET_NSTYPE) = 1073741824
ioctl(net, TCGETS, &status) = -1 ENOTTY
setns(net, CLONE_NEWNET) = 0
reaches("two") = -1 ECONNREFUSED
reaches("one") = 0
setpgid(pid, pid) = 0
syscall(SYS_pidfd_send_signal, fd, 0, 0, 3) = -1 EINVAL
syscall(SYS_pidfd_send_signal, fd, 0, 0, 8) = -1 EINVAL
syscall(SYS_pidfd_send_signal, fd, 0, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, 99, 0, how) = -1 EINVAL
syscall(SYS_pidfd_send_signal, fd, 0, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, 99, 0, how) = -1 EINVAL
syscall(SYS_pidfd_send_signal, fd, 0, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, 99, 0, how) = -1 EINVAL
syscall(SYS_pidfd_send_signal, fd, 0, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, how) = 0
syscall(SYS_pidfd_send_signal, fd, 99, 0, how) = -1 EINVAL
setpgid(pid, getpgrp()) = 0
syscall(SYS_pidfd_send_signal, fd, 0, 0, 4) = -1 ESRCH
setns(fd, CLONE_NEWNET) = -1 ESRCH
seteuid(1000) = 0
unshare(CLONE_NEWUTS) = -1 EPERM
sethostname("x", 1) = -1 EPERM
setns(first, 0) = -1 EPERM
unshare(CLONE_FILES | CLONE_FS) = 0
`;

const canUnshare = spawnSync("unshare", ["-p", "true"]).status === 0;

describe.skipIf(!hasCompiler)("name spaces (needs riscv64-linux-gnu-gcc)", () => {
  it("have the machine's name apart, and give it back", () => {
    const files = [fileOf("/bin/spaces", guest("namespaces"))];
    const machine = testMachine({ files, init: { paths: ["/bin/spaces"], arguments: [] } });
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n")).toBe(expected);
  });

  const native = canUnshare ? hostProgram("pids") : null;
  it.skipIf(native === null)("of PIDs are what they are on this host (needs root)", () => {
    const machine = testMachine({
      files: [fileOf("/bin/pids", guest("pids"))],
      init: { paths: ["/bin/pids"], arguments: [] },
    });
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(brokenInvariants(machine)).toEqual([]);
    const theirs = spawnSync(native!, [], { encoding: "utf8" }).stdout;
    expect(consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n")).toBe(theirs);
  });
});
