/** A root file system of Debian's programs, dynamically linked: a tar archive of their packages. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageFolder } from "./packages.ts";

const usual = [
  ...["libc6", "dash", "sed", "grep", "libpcre2-8-0", "coreutils", "libselinux1", "libacl1", "libattr1", "libcap2"],
  ...["libgmp10", "libssl3t64", "zlib1g", "libzstd1", "sqlite3", "libsqlite3-0", "libreadline8t64", "libtinfo6"],
  ...["lua5.4", "findutils", "mawk", "gawk", "libmpfr6", "libsigsegv2", "procps", "libproc2-0", "libsystemd0"],
  ...["libncursesw6", "ncurses-base", "util-linux", "mount", "libmount1", "libblkid1", "libsmartcols1", "libuuid1"],
  "libudev1",
];

/** Python and its standard library. */
export const pythonToo = [
  ...["python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib", "libexpat1", "libbz2-1.0", "libffi8"],
  "liblzma5",
];

/** All packages over one another, with the links and the folder that Debian's own set-up makes. */
export function rootArchive(more: readonly string[] = []): Uint8Array {
  const extra = mkdtempSync(join(tmpdir(), "userland-"));
  try {
    for (const name of ["bin", "lib", "sbin"]) symlinkSync(`usr/${name}`, join(extra, name));
    mkdirSync(join(extra, "tmp"));
    mkdirSync(join(extra, "usr/bin"), { recursive: true });
    for (const [name, target] of [
      ["awk", "mawk"],
      ["sh", "dash"],
    ] as const)
      symlinkSync(target, join(extra, "usr/bin", name));
    chmodSync(join(extra, "tmp"), 0o1777);
    const folders = [extra, ...[...usual, ...more].map(packageFolder)].flatMap((folder) => ["-C", folder, "."]);
    const options = ["--owner=0", "--group=0", "--numeric-owner", "-cf", "-"];
    return new Uint8Array(execFileSync("tar", [...options, ...folders], { maxBuffer: 2 ** 28 }));
  } finally {
    rmSync(extra, { recursive: true });
  }
}
