/** Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2), of paths, links and open files. */
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { encodeName } from "../../lib/text.ts";
import type { Task } from "../../thread/state.ts";
import { usableFileOf } from "../../vfs/descriptors.ts";
import { getExtended, listExtended, Replace, removeExtended, setExtended } from "../../vfs/extended.ts";
import { Notify, notifyFile } from "../../vfs/inotify.ts";
import type { Opened } from "../../vfs/state.ts";
import { findPlace } from "../../vfs/walk.ts";
import { bufferIn, bufferOut, fd, flags, path, size } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

/** What an attribute is of: what a path names, a link itself, or an open file. */
type Of = "path" | "link" | "fd";

function placeAt(k: LinuxKernel, task: Task, of: Of, file: string | number): Opened | Errno {
  if (typeof file === "number") {
    const open = usableFileOf(k, task, file);
    if (open === null) return "EBADF";
    return open.opened ?? "EOPNOTSUPP";
  }
  const found = findPlace(k, task, task.directory, file, of === "link" ? "keep" : "follow");
  if ("errno" in found) return found.errno;
  return { ...found.place, directory: found.directory.inode, name: found.name };
}

const isName = (name: string): boolean => name !== "" && encodeName(name).length <= limits.nameBytes;

/** Does something to an attribute, the errors of its name and of finding the file first. */
function at<T>(
  k: LinuxKernel,
  task: Task,
  of: Of,
  file: string | number,
  name: string,
  act: (place: Opened) => Outcome<T>,
): Outcome<T> {
  if (!isName(name)) return fail("ERANGE");
  const place = placeAt(k, task, of, file);
  return typeof place === "string" ? fail(place) : act(place);
}

function changed(k: LinuxKernel, place: Opened, errno: Errno | null): Outcome {
  if (errno !== null) return fail(errno);
  notifyFile(k, place, Notify.attributes);
  return done(0);
}

/** A value, or without room for any its length. */
function told<Name extends string>(
  bytes: Uint8Array | Errno,
  room: number,
  name: Name,
): Outcome<{ [Key in Name]: Uint8Array }> {
  if (typeof bytes === "string") return fail(bytes);
  if (room === 0) return done(bytes.length) as Outcome<{ [Key in Name]: Uint8Array }>;
  if (bytes.length > room) return fail("ERANGE");
  return { kind: "done", value: bytes.length, out: { [name]: bytes } as { [Key in Name]: Uint8Array } };
}

const walkErrors = ["EACCES", "EFAULT", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOTDIR"] as const;
const errorsOf = (of: Of): readonly Errno[] => (of === "fd" ? ["EACCES", "EBADF", "EFAULT"] : walkErrors);
const common = ["EINVAL", "ENODATA", "EOPNOTSUPP", "EPERM", "ERANGE"] as const;

/** The three calls that do one thing, by what they do it to. */
const kinds = [
  {
    of: "path",
    prefix: "",
    file: path,
    numbers: { set: { rv64: 5 }, get: { rv64: 8 }, list: { rv64: 11 }, remove: { rv64: 14 } },
  },
  {
    of: "link",
    prefix: "l",
    file: path,
    numbers: { set: { rv64: 6 }, get: { rv64: 9 }, list: { rv64: 12 }, remove: { rv64: 15 } },
  },
  {
    of: "fd",
    prefix: "f",
    file: fd,
    numbers: { set: { rv64: 7 }, get: { rv64: 10 }, list: { rv64: 13 }, remove: { rv64: 16 } },
  },
] as const;

export const extendedCalls = kinds.flatMap(({ of, prefix, file, numbers }) => [
  syscall({
    name: `${prefix}setxattr`,
    nr: numbers.set,
    support: "full",
    args: { file, name: path, value: bufferIn("size", limits.extendedBytes + 1), size, flags: flags(Replace) },
    errors: [...errorsOf(of), ...common, "E2BIG", "EEXIST", "ENOSPC", "EROFS"],
    run(k: LinuxKernel, { file, name, value, size, flags }, { task }) {
      if (flags & ~(Replace.XATTR_CREATE | Replace.XATTR_REPLACE)) return fail("EINVAL");
      if (isName(name) && size > limits.extendedBytes) return fail("E2BIG");
      return at(k, task, of, file, name, (place) =>
        changed(k, place, setExtended(k, task, place, { name, value, how: flags })),
      );
    },
  }),
  syscall({
    name: `${prefix}getxattr`,
    nr: numbers.get,
    support: "full",
    args: { file, name: path, value: bufferOut("size"), size },
    errors: [...errorsOf(of), ...common],
    run: (k: LinuxKernel, { file, name, value }, { task }) =>
      at(k, task, of, file, name, (place) => told(getExtended(k, task, place, name), value, "value")),
  }),
  syscall({
    name: `${prefix}listxattr`,
    nr: numbers.list,
    support: "full",
    args: { file, list: bufferOut("size"), size },
    errors: [...errorsOf(of), "EOPNOTSUPP", "ERANGE"],
    run(k: LinuxKernel, { file, list }, { task }) {
      const place = placeAt(k, task, of, file);
      return typeof place === "string" ? fail(place) : told(listExtended(k, task, place), list, "list");
    },
  }),
  syscall({
    name: `${prefix}removexattr`,
    nr: numbers.remove,
    support: "full",
    args: { file, name: path },
    errors: [...errorsOf(of), ...common, "EROFS"],
    run: (k: LinuxKernel, { file, name }, { task }) =>
      at(k, task, of, file, name, (place) => changed(k, place, removeExtended(k, task, place, name))),
  }),
]);
