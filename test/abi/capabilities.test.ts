/**
 * What root may, by its capabilities, and loses with them. The expected text is what the same program, compiled for x86-64,
 * printed as root of a Linux: tests do not run as root, so that it cannot be asked again each time.
 */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { consoleOf, fileOf, runOn, testMachine } from "../support/machine.ts";

const expected = `root: uid 0 euid 0 effective 405eb permitted 405eb inheritable 0 ambient 0
-- to another user
setresuid(1000, 1000, 1000) = 0
user: uid 1000 euid 1000 effective 0 permitted 0 inheritable 0 ambient 0
setuid(0) = -1 EPERM
after exec: uid 1000 euid 1000 effective 0 permitted 0 inheritable 0 ambient 0
-- and back
seteuid(1000) = 0
seteuid: uid 0 euid 1000 effective 0 permitted 405eb inheritable 0 ambient 0
seteuid(0) = 0
back: uid 0 euid 0 effective 405eb permitted 405eb inheritable 0 ambient 0
setfsuid(1000) = 0
setfsuid: uid 0 euid 0 effective 405e0 permitted 405eb inheritable 0 ambient 0
setfsuid(0) = 1000
back: uid 0 euid 0 effective 405eb permitted 405eb inheritable 0 ambient 0
-- keeping them
prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) = 0
setresuid(1000, 1000, 1000) = 0
kept: uid 1000 euid 1000 effective 0 permitted 405eb inheritable 0 ambient 0
set(some, some, some) = 0
effective again: uid 1000 euid 1000 effective 405eb permitted 405eb inheritable 405eb ambient 0
prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) = 0
ambient: uid 1000 euid 1000 effective 405eb permitted 405eb inheritable 405eb ambient 1
prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) = 1
after exec: uid 1000 euid 1000 effective 20 permitted 20 inheritable 405eb ambient 1
-- lowered
prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) = -1 EPERM
set(some, some, 1 << CAP_KILL) = 0
prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) = 0
set(0, some, 1 << CAP_KILL) = 0
raised: uid 0 euid 0 effective 0 permitted 405eb inheritable 20 ambient 1
set(some, 1 << CAP_KILL, 0) = -1 EPERM
set(0, 0, 0) = 0
lowered: uid 0 euid 0 effective 0 permitted 0 inheritable 0 ambient 0
set(1, 1, 0) = -1 EPERM
set(0, 0, 1 << CAP_KILL) = -1 EPERM
set(0, 0, 1 << CAP_CHOWN) = -1 EPERM
-- bounded
prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0) = 0
prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) = 0
prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0) = 1
bounded: uid 0 euid 0 effective 405eb permitted 405eb inheritable 0 ambient 0
after exec: uid 0 euid 0 effective 405ea permitted 405ea inheritable 0 ambient 0
-- without root's ways
prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) = 0
prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0) = -1 EPERM
prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) = 7
setresuid(1000, 1000, 1000) = 0
no fixup: uid 1000 euid 1000 effective 405eb permitted 405eb inheritable 0 ambient 0
setuid(0) = 0
after exec: uid 0 euid 0 effective 0 permitted 0 inheritable 0 ambient 0
-- no new privileges
set(0, 1 << CAP_KILL, 0) = 0
prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0
fewer: uid 0 euid 0 effective 0 permitted 20 inheritable 0 ambient 0
after exec: uid 0 euid 0 effective 20 permitted 20 inheritable 0 ambient 0
-- gained by exec
set(0, 1 << CAP_KILL, 0) = 0
fewer: uid 0 euid 0 effective 0 permitted 20 inheritable 0 ambient 0
after exec: uid 0 euid 0 effective 405eb permitted 405eb inheritable 0 ambient 0
-- files
chown(path, 1000, 1000) = 0
access(path, R_OK) = 0
open(path, O_RDONLY) >= 0 = 1
set(some & ~(1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_CHOWN), some, 0) = 0
open(path, O_RDONLY) = -1 EACCES
access(path, R_OK) = 0
chown(path, 0, 0) = -1 EPERM
chmod(path, 0644) = -1 EPERM
set(1ull << CAP_FOWNER, some, 0) = 0
chmod(path, 0400) = 0
open(path, O_RDONLY) = -1 EACCES
chown(path, 0, 0) = -1 EPERM
set(1ull << CAP_DAC_OVERRIDE, some, 0) = 0
chmod(path, 0600) = -1 EPERM
open(path, O_WRONLY) >= 0 = 1
access(path, X_OK) = -1 EACCES
set(1ull << CAP_CHOWN, some, 0) = 0
chown(path, 1001, 0) = 0
stat(path, &s) = 0
s.st_uid = 1001
open(path, O_RDONLY) = -1 EACCES
-- others
set(0, some, 0) = 0
kill(child, 0) = -1 EPERM
chroot("/") = -1 EPERM
setgroups(0, NULL) = -1 EPERM
setuid(1000) = -1 EPERM
setgid(1000) = -1 EPERM
bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&port, sizeof port) = -1 EACCES
set(1ull << CAP_KILL, some, 0) = 0
kill(child, SIGKILL) = 0
waitpid(child, NULL, 0) == child = 1
chroot("/") = -1 EPERM
set(1ull << CAP_SYS_CHROOT, some, 0) = 0
chroot("/") = 0
setgid(1000) = -1 EPERM
set(1ull << CAP_SETGID, some, 0) = 0
setgid(1000) = 0
setgroups(0, NULL) = 0
setuid(1000) = -1 EPERM
set(1ull << CAP_NET_BIND_SERVICE, some, 0) = 0
bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&port, sizeof port) = 0
set(1ull << CAP_SETUID, some, 0) = 0
setuid(1000) = 0
user: uid 1000 euid 1000 effective 0 permitted 0 inheritable 0 ambient 0
-- secrets
prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) = 1
setresuid(-1, 0, 1000) = 0
prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) = 1
setfsuid(1000) = 0
prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) = 0
prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) = 0
setegid(1000) = 0
prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) = 0
prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) = 0
setreuid(0, 1000) = 0
prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) = 0
`;

describe.skipIf(!hasCompiler)("capabilities of users (needs riscv64-linux-gnu-gcc)", () => {
  it("are lost, kept and gained as under Linux", () => {
    const files = [fileOf("/bin/capabilities", guest("capabilities"))];
    const machine = testMachine({ files, init: { paths: ["/bin/capabilities"], arguments: [] } });
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n")).toBe(expected);
  });
});
