/** Files in memory without a name: memfd_create(2). */
import { assert } from "../../lib/assert.ts";
import { decodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { readString } from "../../mm/user.ts";
import { openFile, roomProblem } from "../../vfs/descriptors.ts";
import { AccessMode } from "../../vfs/file-ops.ts";
import { filesystemOf, opsOfFilesystem } from "../../vfs/filesystem.ts";
import { createMemoryFile, Seal } from "../../vfs/seals.ts";
import { address, flags } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Create = { MFD_CLOEXEC: 1, MFD_ALLOW_SEALING: 2, MFD_HUGETLB: 4, MFD_NOEXEC_SEAL: 8, MFD_EXEC: 0x10 } as const;
/** What is before it in the name that /proc shows takes a part of what a file's name may be long. */
const prefix = "memfd:";
const mostNameBytes = 255 - prefix.length;

function create(k: LinuxKernel, { task }: Call, at: bigint, wanted: number): Outcome {
  const known = Create.MFD_CLOEXEC | Create.MFD_ALLOW_SEALING | Create.MFD_NOEXEC_SEAL | Create.MFD_EXEC;
  const isNoProgram = (wanted & Create.MFD_NOEXEC_SEAL) !== 0;
  if (wanted & ~known || (isNoProgram && wanted & Create.MFD_EXEC)) return fail("EINVAL");
  const name = readString(k, getSpace(k, task.space), at);
  if (!name.ok) return fail(name.errno === "ENAMETOOLONG" ? "EINVAL" : name.errno);
  if (name.value.length > mostNameBytes) return fail("EINVAL");
  const room = roomProblem(k, task, 1);
  if (room !== null) return fail(room);
  const seals = isNoProgram ? Seal.F_SEAL_EXEC : wanted & Create.MFD_ALLOW_SEALING ? 0 : Seal.F_SEAL_SEAL;
  const opened = createMemoryFile(k, task, prefix + decodeName(name.value), isNoProgram ? 0o666 : 0o777, seals);
  if (opened === null) return fail("ENFILE");
  const fs = filesystemOf(k, opened.mount);
  const target = opsOfFilesystem(k, fs).open(k, fs, opened.inode, task);
  assert(typeof target !== "string", "a regular file can be opened");
  const fd = openFile(k, task, target, opened, AccessMode.both, (wanted & Create.MFD_CLOEXEC) !== 0);
  assert(typeof fd === "number", "there was room for a descriptor");
  return done(fd);
}

export const memoryFileCalls = [
  syscall({
    name: "memfd_create",
    nr: { rv64: 279 },
    support: "full",
    note: "No huge pages (MFD_HUGETLB): EINVAL.",
    args: { name: address, flags: flags(Create) },
    errors: ["EFAULT", "EINVAL", "EMFILE", "ENFILE"],
    run: (k: LinuxKernel, { name, flags }, call) => create(k, call, name, flags),
  }),
] as const;
