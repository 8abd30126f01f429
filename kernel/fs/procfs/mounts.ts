/** What is mounted, as a process sees it: /proc/<pid>/mounts and mountinfo (proc_pid_mountinfo(5)). */
import { spend } from "../../lib/effort.ts";
import type { InodeNumber } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import { tooLongPath } from "../../lib/text.ts";
import type { Task } from "../../thread/state.ts";
import { deviceOfFilesystem, filesystemOf, opsOfFilesystem, pathOf } from "../../vfs/filesystem.ts";
import { flagWords, MountFlag } from "../../vfs/mount-flags.ts";
import type { Filesystem, Mount } from "../../vfs/state.ts";
import { showTmpfsOptions } from "../../vfs/tmpfs-options.ts";
import type { ProcKernel } from "./kernel.ts";

/** Characters that would end a field are told by their numbers, in octal. */
const field = (text: string): string =>
  text.replace(/[ \t\n\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);

interface Line {
  mount: Mount;
  fs: Filesystem;
  /** Where it is, as the process sees it. */
  path: string;
}

/** Those of the process's name space that are below its root. */
function linesOf(k: ProcKernel, task: Task): Line[] {
  spend(k.effort, 16 * k.files.mounts.size, "items");
  return [...k.files.mounts.values()].flatMap((mount) => {
    if (mount.namespace !== task.namespaces.mnt) return [];
    const path = pathOf(k, task, { mount: mount.id, inode: mount.root });
    return path === null ? [] : [{ mount, fs: filesystemOf(k, mount.id), path }];
  });
}

/** What is seen of a file system, as a path within it. */
function rootPath(k: ProcKernel, fs: Filesystem, { root, named }: Mount): string {
  const { nameOf, parent } = opsOfFilesystem(k, fs);
  const names = named === null ? [] : [named.name];
  let length = 0;
  for (let at: InodeNumber = named?.directory ?? root; at !== fs.root; at = parent(k, fs, at)) {
    const name = nameOf(k, fs, at);
    spend(k.effort, 4, "items");
    if (name === null) return `/${names.reverse().join("/")}//deleted`;
    names.push(name);
    length += name.length + 1;
    if (length >= limits.pathBytes) return tooLongPath;
  }
  return `/${names.reverse().join("/")}`;
}

const optionsOf = (k: ProcKernel, { options }: Filesystem): string =>
  options === null ? "" : showTmpfsOptions(options, k.mm.frames.total);

export const mounts = (k: ProcKernel, task: Task): string =>
  linesOf(k, task)
    .map(({ mount, fs, path }) => {
      const readOnly = fs.readOnly || (mount.flags & MountFlag.readOnly) !== 0;
      const words = `${flagWords(mount.flags, readOnly)}${optionsOf(k, fs)}`;
      return `${field(fs.source)} ${field(path)} ${fs.kind} ${words} 0 0\n`;
    })
    .join("");

export const mountInfo = (k: ProcKernel, task: Task): string =>
  linesOf(k, task)
    .map(({ mount, fs, path }) => {
      const { id, flags, on } = mount;
      const words = flagWords(flags, (flags & MountFlag.readOnly) !== 0);
      const place = `${id} ${on?.mount ?? id} 0:${deviceOfFilesystem(fs)} ${field(rootPath(k, fs, mount))} ${field(path)}`;
      const unbindable = flags & MountFlag.unbindable ? " unbindable" : "";
      const whole = `${fs.readOnly ? "ro" : "rw"}${optionsOf(k, fs)}`;
      return `${place} ${words}${unbindable} - ${fs.kind} ${field(fs.source)} ${whole}\n`;
    })
    .join("");
