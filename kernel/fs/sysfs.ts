/** /sys: the few files that programs look for to learn of processors and memory. Nothing is stored. */
import { must } from "../lib/assert.ts";
import type { InodeNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { encodeText } from "../lib/text.ts";
import { consoles, devices, ptmx } from "../vfs/devices.ts";
import { type FilesystemOps, FileType } from "../vfs/filesystem.ts";
import type { FileKernel } from "../vfs/kernel.ts";

/** What is in a file, of a machine with so many harts. */
type Content = (harts: number) => string;
type Tree = { readonly [name: string]: Tree | Content };

const fixed =
  (text: string): Content =>
  () =>
    `${text}\n`;
const processors: Content = (harts) => (harts === 1 ? "0\n" : `0-${harts - 1}\n`);
/** As a mask of bits. */
const processorMask: Content = (harts) => `${(2 ** harts - 1).toString(16)}\n`;

/** A hart: a core of its own, in the one package. */
const processor = (hart: number): Tree => {
  const [mask, list] = [fixed((2 ** hart).toString(16)), fixed(String(hart))];
  const alone = { core_cpus: mask, core_cpus_list: list, thread_siblings: mask, thread_siblings_list: list };
  const together = { core_siblings: processorMask, core_siblings_list: processors };
  const inPackage = { package_cpus: processorMask, package_cpus_list: processors };
  const ids = { core_id: fixed(String(hart)), physical_package_id: fixed("0") };
  return { topology: { ...ids, ...alone, ...together, ...inPackage } };
};

/** Entries that a machine with fewer harts has not. */
const ofHarts: ReadonlyMap<string, number> = new Map(
  Array.from({ length: limits.harts }, (_, hart) => [`cpu${hart}`, hart]),
);

/** The loop to oneself, the only interface. */
const loopback: Tree = {
  addr_len: fixed("6"),
  address: fixed("00:00:00:00:00:00"),
  broadcast: fixed("00:00:00:00:00:00"),
  carrier: fixed("1"),
  flags: fixed("0x9"),
  ifindex: fixed("1"),
  iflink: fixed("1"),
  mtu: fixed("65536"),
  operstate: fixed("unknown"),
  tx_queue_len: fixed("1000"),
  type: fixed("772"),
};

const device = (major: number, minor: number): Tree => ({ dev: fixed(`${major}:${minor}`) });
const terminals: Tree = Object.fromEntries(
  [...consoles, ptmx].map(({ name, major, minor }) => [
    name,
    { ...device(major, minor), ...(name === "console" ? { active: fixed("ttyS0") } : {}) },
  ]),
);

const tree: Tree = {
  block: {},
  bus: {},
  class: {
    block: {},
    mem: Object.fromEntries(devices.map(({ name, major, minor }) => [name, device(major, minor)])),
    net: { lo: loopback },
    tty: terminals,
  },
  devices: {
    system: {
      cpu: {
        isolated: fixed(""),
        kernel_max: fixed(String(limits.harts - 1)),
        offline: fixed(""),
        online: processors,
        possible: processors,
        present: processors,
        ...Object.fromEntries([...ofHarts].map(([name, hart]) => [name, processor(hart)])),
      },
      node: {
        has_cpu: fixed("0"),
        has_memory: fixed("0"),
        has_normal_memory: fixed("0"),
        online: fixed("0"),
        possible: fixed("0"),
        node0: { cpulist: processors, cpumap: processorMask, distance: fixed("10") },
      },
    },
  },
  fs: {},
  kernel: {
    mm: {
      transparent_hugepage: {
        defrag: fixed("always defer defer+madvise madvise [never]"),
        enabled: fixed("always madvise [never]"),
        hpage_pmd_size: fixed("2097152"),
        shmem_enabled: fixed("always within_size advise [never] deny force"),
        use_zero_page: fixed("0"),
      },
    },
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

/** What a directory has, of a machine with so many harts. */
const childrenOf = (k: FileKernel, directory: InodeNumber) =>
  nodes.flatMap((node, at) =>
    node.parent === directory && at > 0 && (ofHarts.get(node.name) ?? 0) < (k.config.harts ?? 1)
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
  lookup: (k, _fs, directory, name) => childrenOf(k, directory).find((child) => child.name === name)?.inode ?? null,
  parent: (_k, _fs, directory) => nodeOf(directory).parent,
  nameOf: (_k, _fs, directory) => nodeOf(directory).name,
  isEmpty: (k, _fs, directory) => childrenOf(k, directory).length === 0,
  list: (k, _fs, directory, behind, most) =>
    childrenOf(k, directory)
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
    // What an older release has opened may have another number here.
    if (typeof content !== "function") return "EIO";
    return encodeText(content(k.config.harts ?? 1));
  },
  change: null,
};
