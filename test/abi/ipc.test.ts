/** System V's objects as root sees them, and that neither cuts nor snapshots change what comes of them. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { Random } from "../hardware/cpu/random_program.ts";
import { cutBy, inOnePiece, perform, type Scenario } from "../simulation/hostile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, runOn, testMachine } from "../support/machine.ts";

const expected = `/proc/sys/kernel/sem 32000\t131072\t500\t4096
/proc/sys/kernel/msgmax 8192
/proc/sys/kernel/shmmni 4096
msgsnd(queue, &m, 8, 0) = 0
syscall(SYS_clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0) = -1 EINVAL
/proc/sysvipc/shm: key shmid perms size
/proc/sysvipc/shm: 77 0 600 5000
/proc/sysvipc/sem: key semid perms nsems
/proc/sysvipc/sem: 78 0 640 2
/proc/sysvipc/msg: key msqid perms cbytes
/proc/sysvipc/msg: 79 0 666 8
semop(set, &(struct sembuf){0, 3, SEM_UNDO}, 1) = 0
unshare(CLONE_NEWIPC) = 0
shmget(77, 0, 0) = -1 ENOENT
semctl(set, 0, GETVAL) = -1 EINVAL
msgctl(queue, IPC_STAT, &msg) = -1 EINVAL
still first
/proc/sysvipc/shm: key shmid perms size
/proc/sysvipc/shm: 77 0 600 4096
/proc/sysvipc/sem: key semid perms nsems
/proc/sysvipc/sem: 0 0 600 7
/proc/sysvipc/msg: key msqid perms cbytes
/proc/sysvipc/msg: 0 0 600 0
setns(outer, CLONE_NEWIPC) = 0
semctl(set, 0, GETVAL) = 0
attached second
shmdt(own) = 0
shmget(77, 0, 0) == memory = 1
shmctl(memory, IPC_STAT, &shm) = 0
attached 2
unshare(CLONE_NEWIPC) = 0
status = 9
semctl(other, 0, GETNCNT) = 0
seteuid(1000) = 0
shmctl(memory, IPC_RMID, 0) = -1 EPERM
shmctl(memory, IPC_STAT, &shm) = -1 EACCES
semctl(set, 0, GETVAL) = 0
msgctl(queue, IPC_STAT, &msg) = 0
msgctl(queue, IPC_SET, &msg) = -1 EPERM
semop(set, &(struct sembuf){0, 1, 0}, 1) = -1 EACCES
seteuid(0) = 0
msgctl(queue, IPC_SET, &msg) = 0
shmctl(memory, IPC_STAT, &shm) = 0
shmctl(memory, IPC_SET, &shm) = 0
seteuid(1000) = 0
shmctl(memory, IPC_RMID, 0) = 0
seteuid(0) = 0
/proc/sysvipc/shm: key shmid perms size
/proc/sysvipc/shm: 0 0 1600 5000
/proc/sysvipc/sem: key semid perms nsems
/proc/sysvipc/sem: 78 0 640 2
/proc/sysvipc/msg: key msqid perms cbytes
/proc/sysvipc/msg: 79 0 666 8
kept first
shmdt(at) = 0
/proc/sysvipc/shm: key shmid perms size
`;

const bootOf = (name: string) => ({
  files: [fileOf("/bin/ipc", guest(name))],
  init: { paths: ["/bin/ipc"], arguments: [] },
});

describe.skipIf(!hasCompiler)("System V's objects (needs riscv64-linux-gnu-gcc)", () => {
  it("are apart by name space, listed in /proc, and their owner's", () => {
    const machine = testMachine(bootOf("ipc"));
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n")).toBe(expected);
    expect(brokenInvariants(machine)).toEqual([]);
  });

  it("come out the same wherever a run is cut or put away", () => {
    const scenario: Scenario = {
      config: bootOf("oracle/sysv"),
      steps: Array.from({ length: 8 }, () => ({ kind: "run", instructions: 40_000, timeNs: 100_000_000 })),
    };
    const check = (machine: Parameters<typeof brokenInvariants>[0]) => expect(brokenInvariants(machine)).toEqual([]);
    const whole = perform(scenario, inOnePiece, check);
    expect(perform(scenario, cutBy(new Random(7)), () => {})).toEqual(whole);
  });
});
