/** /sys: the few files that programs look for to learn of processors and memory. Nothing is stored. */
import { assert, must } from "../lib/assert.ts";
import type { InodeNumber } from "../lib/ids.ts";
import { encodeText } from "../lib/text.ts";
import { type FilesystemOps, FileType } from "../vfs/filesystem.ts";

/** What is in a file, of a machine with so many harts. */
type Content = (harts: number) => string;
type Tree = { readonly [name: string]: Tree | Content };

const fixed =
  (text: string): Content =>
  () =>
    `${text}\n`;
const processors: Content = (harts) => (harts === 1 ? "0\n" : `0-${harts - 1}\n`);

const tree: Tree = {
  block: {},
  bus: {},
  class: { tty: {} },
  devices: {
    system: {
      cpu: {
        online: processors,
        possible: processors,
        present: processors,
        cpu0: { topology: { core_id: fixed("0") } },
      },
    },
  },
  fs: {},
  kernel: {
    mm: { transparent_hugepage: { enabled: fixed("always madvise [never]"), hpage_pmd_size: fixed("2097152") } },
  },
  module: {},
};

interface Node {
  name: string;
  parent: InodeNumber;
  content: Tree | Content;
}

function flatten(): readonly Node[] {
  const nodes: Node[] = [{ name: "", parent: 1 as InodeNumber, content: tree }];
  for (let at = 0; at < nodes.length; at++) {
    const { content } = nodes[at]!;
    if (typeof content === "function") continue;
    for (const [name, entry] of Object.entries(content))
      nodes.push({ name, parent: (at + 1) as InodeNumber, content: entry });
  }
  return nodes;
}

const nodes = flatten();
const nodeOf = (inode: InodeNumber): Node => must(nodes[inode - 1], "the inode is there");
const isTree = ({ content }: Node): boolean => typeof content !== "function";
const modeOf = (node: Node): number => (isTree(node) ? FileType.directory | 0o555 : FileType.regular | 0o444);

const childrenOf = (directory: InodeNumber) =>
  nodes.flatMap((node, at) =>
    node.parent === directory && at > 0
      ? [{ name: node.name, inode: (at + 1) as InodeNumber, mode: modeOf(node), cookie: at + 3 }]
      : [],
  );

export const sysfs: FilesystemOps = {
  magic: 0x62656572,
  attributes(_k, _fs, inode) {
    const node = nodeOf(inode);
    const times = { atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };
    const size = isTree(node) ? 0 : 4096;
    return {
      mode: modeOf(node),
      uid: 0,
      gid: 0,
      links: isTree(node) ? 2 : 1,
      size,
      allocated: 0,
      device: null,
      ...times,
    };
  },
  lookup: (_k, _fs, directory, name) => childrenOf(directory).find((child) => child.name === name)?.inode ?? null,
  parent: (_k, _fs, directory) => nodeOf(directory).parent,
  nameOf: (_k, _fs, directory) => nodeOf(directory).name,
  isEmpty: (_k, _fs, directory) => childrenOf(directory).length === 0,
  list: (_k, _fs, directory, behind, most) =>
    childrenOf(directory)
      .filter(({ cookie }) => cookie > behind)
      .slice(0, most),
  readLink: () => "EINVAL",
  open: (_k, _fs, inode) =>
    isTree(nodeOf(inode))
      ? { kind: "directory" }
      : { kind: "generated", text: new Uint8Array(0), space: null, userSpace: 0 },
  content: () => null,
  generate(k, _fs, inode) {
    const { content } = nodeOf(inode);
    assert(typeof content === "function", "only files are read");
    return encodeText(content(k.config.harts ?? 1));
  },
  change: null,
};
