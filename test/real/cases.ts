/** Kernels and firmware of others on our board, a large program on our own kernel, and what must come of them. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Machine, stateHash } from "../../kernel/index.ts";
import { bareConfig, bareMachine, imageOf } from "../support/bare.ts";
import { consoleOf, fileOf, mustApply, runOn, sha256, startInput, testMachine } from "../support/machine.ts";
import { Shelf } from "../support/shelf.ts";
import { initramfs } from "./initramfs.ts";
import { packageFolder, type RealImages, realImages } from "./packages.ts";
import { pythonToo, rootArchive } from "./root.ts";
import { Session } from "./session.ts";

const mebibyte = 2 ** 20;

export interface RealCase {
  name: string;
  /** Left out where time is short. */
  isLong: boolean;
  run(images: RealImages): Machine;
}

const board = { memoryBytes: 256 * mebibyte, quantumInstructions: 100_000 };
const emptyDisk = { image: null, bytes: 64 * mebibyte, readOnly: false };

function openSbiAndUBoot(images: RealImages): Machine {
  const disk = new Uint8Array(mebibyte).fill(0x5a);
  const machine = bareMachine(
    bareConfig(
      images.openSbi,
      {
        kernel: imageOf(images.uBoot),
        disks: [{ image: imageOf(disk), bytes: mebibyte, readOnly: false }],
      },
      board,
    ),
  );
  const session = new Session(machine);
  session.expect("OpenSBI v");
  session.expect("Hit any key to stop autoboot");
  session.type(" ");
  session.expect("=> ");
  assert.match(session.command("virtio scan; virtio info", "=> "), /Capacity: 1.0 MB/);
  session.command("virtio read $kernel_addr_r 0 1", "=> ");
  assert.match(session.command("md.l $kernel_addr_r 1", "=> "), /5a5a5a5a/);
  assert.match(session.command("setenv ipaddr 10.0.2.15; ping 10.0.2.2", "=> "), /host 10.0.2.2 is alive/);
  session.type("poweroff\n");
  session.untilOff();
  assert.equal(machine.summary().reason, "switched off with code 0");
  return machine;
}

function uBootAlone(images: RealImages): Machine {
  const machine = bareMachine(bareConfig(images.uBootAlone, {}, board));
  const session = new Session(machine);
  session.expect("Hit any key to stop autoboot");
  session.type(" ");
  session.expect("=> ");
  return machine;
}

const linuxMachine = (images: RealImages, harts: number): Machine =>
  bareMachine(
    bareConfig(
      images.openSbi,
      {
        kernel: imageOf(images.linux),
        initrd: imageOf(initramfs(images)),
        commandLine: "console=ttyS0",
        disks: [emptyDisk],
        harts,
      },
      board,
    ),
  );

/** At the shell's prompt: the disk keeps what is written, the network answers, and all harts are there. */
function tryShell(session: Session, harts: number): void {
  session.expect(`init: Linux riscv64 on ${harts} harts`);
  session.expect("~ # ");
  assert.equal(session.command("cat /sys/block/vda/size").trim(), String((64 * mebibyte) / 512));
  session.command("echo kept > /dev/vda; sync");
  assert.equal(session.command("head -n 1 /dev/vda").trim(), "kept");
  session.command("ifconfig eth0 10.0.2.15 up");
  assert.match(session.command("ping -c 2 10.0.2.2"), /2 packets received, 0% packet loss/);
  assert.match(session.command("cat /sys/class/misc/hw_random/rng_current"), /virtio_rng/);
  assert.equal(session.command("grep -c ^processor /proc/cpuinfo").trim(), String(harts));
}

function linux(images: RealImages, harts: number): Machine {
  const machine = linuxMachine(images, harts);
  const session = new Session(machine);
  tryShell(session, harts);
  session.type("poweroff -f\n");
  session.untilOff();
  assert.equal(machine.summary().reason, "switched off with code 0");
  return machine;
}

/** Restarted, it finds its disk as it was. */
function linuxReboots(images: RealImages): Machine {
  const session = new Session(linuxMachine(images, 2));
  session.expect("init: ");
  session.expect("~ # ");
  session.command("echo before > /dev/vda; sync");
  session.type("reboot -f\n");
  session.expect("init: ");
  session.expect("~ # ");
  assert.equal(session.command("head -n 1 /dev/vda").trim(), "before");
  return session.machine;
}

/** A snapshot in the middle of the boot, restored elsewhere: both come to the same state at the same instruction. */
function linuxSnapshot(images: RealImages, harts: number): Machine {
  const at = 450_000_000;
  const end = 650_000_000;
  const run = (machine: Machine, instructions: number): void => {
    while (machine.position().instructions < instructions)
      assert.equal(machine.run({ instructions, timeNs: Number.MAX_SAFE_INTEGER }).kind, "limit");
  };
  const machine = linuxMachine(images, harts);
  run(machine, at);
  const shelf = new Shelf();
  const { root, tree } = shelf.capture(machine, null);
  const other = shelf.load(root);
  assert.deepEqual(other.machine.position(), machine.position());
  run(machine, end);
  shelf.run(other.machine, other.tree, { instructions: end, timeNs: Number.MAX_SAFE_INTEGER });
  assert.deepEqual(other.machine.position(), machine.position());
  assert.equal(stateHash(other.machine, other.tree, sha256), stateHash(machine, tree, sha256));
  return machine;
}

/** Debian's Python on our own kernel, with tests of its library that say themselves what must come of them. */
function python(): Machine {
  const tests = new Uint8Array(readFileSync(new URL("programs/selftest.py", import.meta.url)));
  const machine = testMachine({
    memoryBytes: 128 * mebibyte,
    environment: ["PATH=/usr/bin", "HOME=/tmp"],
    root: fileOf("", rootArchive(pythonToo)).content,
    files: [fileOf("/tmp/selftest.py", tests)],
  });
  const line = "/usr/bin/python3.13 /tmp/selftest.py".split(" ");
  mustApply(machine, startInput(line[0]!, { arguments: line, stdin: "" }));
  runOn(machine, 2e10);
  const printed = consoleOf(machine.drainOutputs());
  assert.match(printed, /\nRan 23 tests in .*\n\nOK\n$/, printed);
  return machine;
}

const programText = (name: string): string => readFileSync(new URL(`programs/${name}`, import.meta.url), "utf8");

/** A program of more than a thousand lines for any POSIX shell prints in three of them what it prints on a Linux. */
function shells(): Machine {
  const files = [
    fileOf("/opt/bash", new Uint8Array(readFileSync(join(packageFolder("bash-static"), "usr/bin/bash-static")))),
    fileOf("/opt/busybox", new Uint8Array(readFileSync(join(packageFolder("busybox-static"), "usr/bin/busybox")))),
  ];
  const environment = ["PATH=/usr/bin", "HOME=/tmp"];
  const root = fileOf("", rootArchive()).content;
  const machine = testMachine({ memoryBytes: 64 * mebibyte, environment, root, files });
  for (const shell of [["/usr/bin/dash"], ["/opt/bash"], ["/opt/busybox", "sh"]]) {
    const line = [...shell, "-c", programText("workshop.sh")];
    mustApply(machine, startInput(line[0]!, { arguments: line, stdin: "" }));
    runOn(machine, 2e10);
    // What a shell says of jobs is its own.
    const printed = consoleOf(machine.drainOutputs()).split("\n");
    assert.deepEqual(
      printed.filter((text) => !text.startsWith("environment: line")),
      programText("workshop.out").split("\n"),
      shell.join(" "),
    );
  }
  return machine;
}

export const realCases: readonly RealCase[] = [
  { name: "OpenSBI and U-Boot", isLong: false, run: openSbiAndUBoot },
  { name: "U-Boot alone", isLong: true, run: uBootAlone },
  { name: "Linux on one hart", isLong: false, run: (images) => linux(images, 1) },
  { name: "Linux on two harts", isLong: false, run: (images) => linux(images, 2) },
  { name: "Linux on eight harts", isLong: true, run: (images) => linux(images, 8) },
  { name: "Linux restarts itself", isLong: true, run: linuxReboots },
  { name: "Linux from a snapshot in mid-boot", isLong: false, run: (images) => linuxSnapshot(images, 1) },
  { name: "Linux on two harts from a snapshot", isLong: true, run: (images) => linuxSnapshot(images, 2) },
  { name: "Python tests itself", isLong: true, run: python },
  { name: "A long script in three shells", isLong: true, run: shells },
];

/** What there is to boot, or why not: that packages cannot be had, or not be made anything of here. */
export function imagesOrReason(): { images: RealImages } | { reason: string } {
  try {
    const images = realImages();
    initramfs(images);
    return { images };
  } catch (error) {
    return { reason: error instanceof Error ? error.message.split("\n", 1)[0]! : String(error) };
  }
}
