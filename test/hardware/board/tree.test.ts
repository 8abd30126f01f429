/** The device tree, read by dtc where it is installed. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { boardTree, type TreeFacts } from "../../../kernel/hardware/board/tree.ts";
import { cells64, flattenTree } from "../../../kernel/hardware/devicetree/fdt.ts";

const hasDtc = spawnSync("dtc", ["--version"]).status === 0;

const facts: TreeFacts = {
  harts: 2,
  memoryBytes: 256 * 2 ** 20,
  virtioSlots: 3,
  commandLine: "console=ttyS0 quiet",
  initrd: { start: 0x8800_0000, end: 0x8810_0000 },
  seed: new Uint8Array(32).fill(7),
  console: "uart",
};

test("a header says where things are", () => {
  const bytes = flattenTree({ name: "", properties: { a: [1, 2], b: "text", c: true }, children: [] }, 100);
  const view = new DataView(bytes.buffer);
  const words = Array.from({ length: 10 }, (_, index) => view.getUint32(4 * index));
  expect([words[0], words[1], words[5], words[6]]).toEqual([0xd00d_feed, bytes.length, 17, 16]);
  expect(Buffer.from(bytes.subarray(words[3]!, words[3]! + words[8]!)).toString()).toBe("a\0b\0c\0");
  expect(words[3]! + words[8]! + 100).toBeLessThanOrEqual(bytes.length);
});

test("addresses are two cells", () => {
  expect(cells64(0x1_8000_0000)).toEqual([1, 0x8000_0000]);
});

test.skipIf(!hasDtc)("dtc reads it without a complaint, and finds what we said", () => {
  const { stdout, stderr, status } = spawnSync("dtc", ["-I", "dtb", "-O", "dts"], {
    input: flattenTree(boardTree(facts)),
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  for (const part of [
    'bootargs = "console=ttyS0 quiet"',
    "linux,initrd-start = <0x00 0x88000000>",
    "cpu@1 {",
    'riscv,isa = "rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs_sstc"',
    'stdout-path = "/soc/serial@10000000"',
    "virtio_mmio@10003000",
    "interrupts-extended = <0x03 0x0b 0x03 0x09 0x04 0x0b 0x04 0x09>",
    "timebase-frequency = <0x989680>",
  ])
    expect(stdout).toContain(part);
});
