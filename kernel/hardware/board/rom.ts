/**
 * The reset ROM, as QEMU's `virt` board has it: harts begin here, and go to the firmware with their number in a0, the
 * device tree in a1, and in a2 what OpenSBI's fw_dynamic wants to know about the next stage.
 *
 * Harts begin where the ROM leads, with what it leaves in registers; its bytes can be read, and executed.
 */
import { addressMap } from "../bus/map.ts";

export interface ResetVector {
  firmware: number;
  tree: number;
  /** Where the next stage begins; 0: there is none. */
  next: number;
}

const instructions = [
  0x0000_0297, // auipc t0, 0
  0x0282_8613, // addi  a2, t0, 40
  0xf140_2573, // csrr  a0, mhartid
  0x0202_b583, // ld    a1, 32(t0)
  0x0182_b283, // ld    t0, 24(t0)
  0x0002_8067, // jr    t0
];
const wordsAt = 24;
const dynamicInfoAt = 40;
/** "OSBI". */
const dynamicMagic = 0x4942_534fn;
const dynamicVersion = 2n;
const supervisorMode = 1n;

export function resetRom({ firmware, tree, next }: ResetVector): Uint8Array {
  const bytes = new Uint8Array(addressMap.rom.bytes);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of instructions.entries()) view.setUint32(4 * index, word, true);
  const info = [dynamicMagic, dynamicVersion, BigInt(next), supervisorMode, 0n, 0n];
  const words = [BigInt(firmware), BigInt(tree), ...info];
  for (const [index, word] of words.entries()) view.setBigUint64(wordsAt + 8 * index, word, true);
  return bytes;
}

/** Registers that are not zero when a hart leaves the ROM, by number: t0, a0, a1, a2. */
export const leavingRom = ({ firmware, tree }: ResetVector, hart: number): ReadonlyMap<number, bigint> =>
  new Map([
    [5, BigInt(firmware)],
    [10, BigInt(hart)],
    [11, BigInt(tree)],
    [12, BigInt(addressMap.rom.base + dynamicInfoAt)],
  ]);
