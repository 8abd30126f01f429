/** /dev/pts: the slaves' sides of the pseudo-terminals that there are (pty(7)), and ptmx, which makes one. */
import type { InodeNumber } from "../lib/ids.ts";
import { ptmx, slaveMajor } from "../vfs/devices.ts";
import { type Attributes, type FilesystemOps, FileType, type Listed } from "../vfs/filesystem.ts";
import type { FileKernel } from "../vfs/kernel.ts";
import { firstSlaveInode } from "../vfs/terminals.ts";

const rootInode = 1 as InodeNumber;
const ptmxInode = 2 as InodeNumber;
const slaveInode = (pair: number): InodeNumber => (firstSlaveInode + pair) as InodeNumber;
const pairAt = (inode: InodeNumber): number => inode - firstSlaveInode;
const times = { atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };

function attributes(k: FileKernel, inode: InodeNumber): Attributes {
  const common = { size: 0, allocated: 0 };
  if (inode === rootInode)
    return { mode: FileType.directory | 0o755, uid: 0, gid: 0, links: 2, device: null, ...common, ...times };
  if (inode === ptmxInode) {
    const { major, minor } = ptmx;
    return {
      mode: FileType.character | ptmx.mode,
      uid: 0,
      gid: 0,
      links: 1,
      device: { major, minor },
      ...common,
      ...times,
    };
  }
  const device = { major: slaveMajor, minor: pairAt(inode) };
  const pair = k.tty.pairs.get(pairAt(inode));
  if (pair === undefined)
    return { mode: FileType.character | 0o620, uid: 0, gid: 0, links: 0, device, ...common, ...times };
  const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs } = pair;
  return { mode: FileType.character | mode, uid, gid, links: 1, device, ...common, atimeNs, mtimeNs, ctimeNs };
}

const entriesOf = (k: FileKernel): Listed[] => [
  { name: ptmx.name, inode: ptmxInode, mode: FileType.character | ptmx.mode, cookie: 3 },
  ...[...k.tty.pairs]
    .sort(([a], [b]) => a - b)
    .map(([id, { mode }]) => ({
      name: String(id),
      inode: slaveInode(id),
      mode: FileType.character | mode,
      cookie: 4 + id,
    })),
];

export const devpts: FilesystemOps = {
  magic: 0x1cd1,
  attributes: (k, _fs, inode) => attributes(k, inode),
  lookup: (k, _fs, _directory, name) => entriesOf(k).find((entry) => entry.name === name)?.inode ?? null,
  parent: () => rootInode,
  nameOf: () => null,
  isEmpty: () => false,
  list: (k, _fs, _directory, behind, most) =>
    entriesOf(k)
      .filter(({ cookie }) => cookie > behind)
      .slice(0, most),
  readLink: () => "EINVAL",
  open(k, _fs, inode) {
    const { device } = attributes(k, inode);
    return device === null ? { kind: "directory" } : { kind: "device", ...device };
  },
  content: () => null,
  change: null,
  set(k, _fs, inode, { mode, ...changes }, nowNs) {
    const pair = k.tty.pairs.get(pairAt(inode));
    if (pair === undefined) return "EROFS";
    Object.assign(pair, changes, { ctimeNs: nowNs }, mode === undefined ? {} : { mode: mode & 0o7777 });
    return null;
  },
};
