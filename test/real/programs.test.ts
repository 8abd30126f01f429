/** Debian's own programs for riscv64 on our kernel: shells, and what is linked to Debian's C library by its own loader. */
import { describe, expect, test } from "vitest";
import { consoleOf, mustApply, runOn, testMachine } from "../support/machine.ts";
import { filesOrReason, type Wanted } from "./packages.ts";

const libraries = "usr/lib/riscv64-linux-gnu";
const wanted: Wanted = [
  ["/bin/busybox", "busybox-static", "usr/bin/busybox"],
  ["/bin/bash", "bash-static", "usr/bin/bash-static"],
  ["/bin/dash", "dash", "usr/bin/dash"],
  ["/bin/sed", "sed", "usr/bin/sed"],
  ["/bin/mawk", "mawk", "usr/bin/mawk"],
  ["/bin/perl", "perl-base", "usr/bin/perl"],
  ["/bin/lua", "lua5.4", "usr/bin/lua5.4"],
  ["/lib/ld-linux-riscv64-lp64d.so.1", "libc6", `${libraries}/ld-linux-riscv64-lp64d.so.1`],
  ...["libc.so.6", "libm.so.6"].map((name) => [`/lib/${name}`, "libc6", `${libraries}/${name}`] as const),
  ["/lib/libcrypt.so.1", "libcrypt1", `${libraries}/libcrypt.so.1`],
  ["/lib/libselinux.so.1", "libselinux1", `${libraries}/libselinux.so.1`],
  ["/lib/libpcre2-8.so.0", "libpcre2-8-0", `${libraries}/libpcre2-8.so.0`],
  ["/lib/libacl.so.1", "libacl1", `${libraries}/libacl.so.1`],
  ["/lib/libreadline.so.8", "libreadline8t64", `${libraries}/libreadline.so.8`],
  ["/lib/libtinfo.so.6", "libtinfo6", `${libraries}/libtinfo.so.6`],
];

const files = filesOrReason(wanted);
const reason = typeof files === "string" ? ` (Debian's packages cannot be had: ${files})` : "";

const machineWith = (...argv: string[]) =>
  testMachine({
    memoryBytes: 128 * 2 ** 20,
    files: files as Exclude<typeof files, string>,
    environment: ["LC_ALL=C"],
    init: { paths: [argv[0]!], arguments: argv.slice(1) },
  });

/** What a first program prints until everything has ended. */
function printed(...argv: string[]): string {
  const machine = machineWith(...argv);
  expect(runOn(machine, 2e9)).toEqual({ kind: "idle" });
  expect(machine.summary().taskCount).toBe(0);
  return consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n");
}

const script = `
count=0
for word in $(busybox seq 1 20 | busybox sort -rn | busybox head -5); do count=$((count + word)); done
echo "sum $count"
( exit 3 ); echo "subshell $?"
trap 'echo trapped' USR1; kill -USR1 $$
busybox sleep 100 & wait $!; echo "slept $?"
f() { echo "$1-$2"; }; f a b
cat_it() { while read -r line; do echo "[$line]"; done; }; printf 'x\\ny\\n' | cat_it
echo text > /tmp/file; busybox wc -c < /tmp/file; busybox rm /tmp/file; [ -e /tmp/file ] || echo gone
`;
const expected = "sum 90\nsubshell 3\ntrapped\nslept 0\na-b\n[x]\n[y]\n5\ngone\n";

describe.skipIf(typeof files === "string")(`Debian's programs${reason}`, () => {
  test.each([
    ["bash", ["/bin/bash", "-c", script]],
    ["busybox's shell", ["/bin/busybox", "sh", "-c", script]],
    ["dash, dynamically linked", ["/bin/dash", "-c", script]],
  ])("%s runs a script", (_name, argv) => {
    expect(printed(...argv)).toBe(expected);
  });

  test("pipelines of dynamically linked programs", () => {
    const line = "busybox seq 1 100 | sed -n '/5$/p' | mawk '{ sum += $1 } END { print sum, NR }'";
    expect(printed("/bin/dash", "-c", line)).toBe("500 10\n");
  });

  test("perl and lua", () => {
    expect(printed("/bin/perl", "-e", 'print join(",", map { $_ ** 2 } grep { $_ % 2 } 1..9), "\\n"')).toBe(
      "1,9,25,49,81\n",
    );
    expect(printed("/bin/lua", "-e", "local s = 0; for i = 1, 1000 do s = s + i end print(s, #arg)")).toMatch(
      /^500500/,
    );
  });

  test("bash with job control on the console", () => {
    const machine = machineWith("/bin/bash", "--norc");
    const type = (text: string): string => {
      mustApply(machine, { kind: "console", bytes: new TextEncoder().encode(text) });
      runOn(machine, 2e9);
      return consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n");
    };
    runOn(machine, 2e9);
    expect(consoleOf(machine.drainOutputs())).toMatch(/bash-5\.\d+# $/);
    type("busybox cat\r");
    expect(type("hello\r")).toBe("hello\nhello\n");
    expect(type("\x1a")).toMatch(/\^Z\n\[1\]\+ +Stopped +busybox cat\n/);
    expect(type("jobs\r")).toMatch(/\[1\]\+ +Stopped +busybox cat\n/);
    type("fg\r");
    expect(type("\x03")).toMatch(/\^C\n/);
    expect(type("echo $?\r")).toContain("\n130\n");
  });
});
