/**
 * What lies in RAM when a machine boots bare: firmware at its start, the kernel 2 MiB behind, the initial RAM disk in
 * the upper half, the device tree at the end. Where QEMU's `virt` board has them.
 */
import { boardTree, type TreeFacts } from "../../hardware/board/tree.ts";
import { flattenTree } from "../../hardware/devicetree/fdt.ts";
import { alignDown, hex } from "../../lib/bits.ts";
import { type BootImage, type BootPiece, planBootImage } from "../../loader/image.ts";
import { addressMap, instructionSet } from "../catalogue.ts";
import type { BareBoot, ImageSpec, PartSource } from "../types.ts";

const mebibyte = 2 ** 20;
const kernelOffset = 2 * mebibyte;
/** The initial RAM disk lies so far behind the kernel at most. */
const mostInitrdOffset = 512 * mebibyte;
const treeAlignment = 2 * mebibyte;
/** For what firmware adds to the tree. */
const treeRoomBytes = 8 * 1024;
/** Above what any tree of ours takes. */
const mostTreeBytes = 64 * 1024;

export interface BootLayout {
  firmware: BootImage;
  kernel: BootImage | null;
  initrd: { start: number; end: number } | null;
  /** The device tree's address; it has up to `mostTreeBytes`. */
  tree: number;
}

/** Which part of the spec cannot be, and why. */
export interface BootProblem {
  field: string;
  message: string;
}

function imageOf(
  spec: ImageSpec,
  field: string,
  address: number,
  content: PartSource,
): { image: BootImage } | { problem: BootProblem } {
  const bytes = content(spec.content, 0, spec.size);
  const image = planBootImage(bytes, address, instructionSet);
  return typeof image === "string" ? { problem: { field, message: image } } : { image };
}

/** Ranges that must lie in RAM, apart from each other. */
function overlapProblem(ranges: readonly (BootProblem & { start: number; end: number })[], ramEnd: number) {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  for (const [index, { field, message, start, end }] of sorted.entries()) {
    if (start < addressMap.ram.base || end > ramEnd)
      return { field, message: `${message} does not fit RAM, which is ${hex(addressMap.ram.base)} to ${hex(ramEnd)}` };
    const next = sorted[index + 1];
    if (next !== undefined && next.start < end)
      return { field: next.field, message: `${next.message} lies over ${message}, which ends at ${hex(end)}` };
  }
  return null;
}

const rangesOf = (field: string, name: string, pieces: readonly BootPiece[]) =>
  pieces.map(({ address, memoryBytes }) => ({
    field,
    message: `the ${name} at ${hex(address)}`,
    start: address,
    end: address + memoryBytes,
  }));

/** Where everything goes, or why it cannot. */
export function planBoot(memoryBytes: number, boot: BareBoot, content: PartSource): BootLayout | BootProblem {
  const { base } = addressMap.ram;
  const ramEnd = base + memoryBytes;
  const firmware = imageOf(boot.firmware, "firmware", base, content);
  if ("problem" in firmware) return firmware.problem;
  const kernel = boot.kernel === null ? null : imageOf(boot.kernel, "kernel", base + kernelOffset, content);
  if (kernel !== null && "problem" in kernel) return kernel.problem;
  const tree = alignDown(ramEnd - mostTreeBytes, treeAlignment);
  const initrdStart = base + kernelOffset + Math.min(memoryBytes / 2, mostInitrdOffset);
  const initrd = boot.initrd === null ? null : { start: initrdStart, end: initrdStart + boot.initrd.size };
  const problem = overlapProblem(
    [
      ...rangesOf("firmware", "firmware", firmware.image.pieces),
      ...rangesOf("kernel", "kernel", kernel?.image.pieces ?? []),
      ...(initrd === null ? [] : [{ field: "initrd", message: `the initrd at ${hex(initrd.start)}`, ...initrd }]),
      { field: "memory_bytes", message: "the device tree", start: tree, end: tree + mostTreeBytes },
    ],
    ramEnd,
  );
  return problem ?? { firmware: firmware.image, kernel: kernel?.image ?? null, initrd, tree };
}

/** Why a machine with so much RAM cannot boot this, or null. */
export function bootProblem(memoryBytes: number, boot: BareBoot, content: PartSource): BootProblem | null {
  const plan = planBoot(memoryBytes, boot, content);
  return "tree" in plan ? null : plan;
}

/** Pieces of RAM, each with its content. */
export function bootPieces(
  layout: BootLayout,
  boot: BareBoot,
  facts: Omit<TreeFacts, "initrd">,
  content: PartSource,
): BootPiece[] {
  const tree = flattenTree(boardTree({ ...facts, initrd: layout.initrd }), treeRoomBytes);
  const whole = (address: number, bytes: Uint8Array): BootPiece => ({ address, bytes, memoryBytes: bytes.length });
  return [
    ...layout.firmware.pieces,
    ...(layout.kernel?.pieces ?? []),
    ...(layout.initrd === null
      ? []
      : [whole(layout.initrd.start, content(boot.initrd!.content, 0, boot.initrd!.size))]),
    whole(layout.tree, tree),
  ];
}
