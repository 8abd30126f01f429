/**
 * What a hart can do, for all who tell it: the device tree, /proc/cpuinfo and riscv_hwprobe(2). In the order that the ISA
 * manual prescribes.
 */
export const userExtensions = [
  "i",
  "m",
  "a",
  "f",
  "d",
  "c",
  "zicntr",
  "zicsr",
  "zifencei",
  "zba",
  "zbb",
  "zbs",
] as const;

/** As in "rv64imac_zba": single letters, then names. */
export function isaText(extensions: readonly string[]): string {
  const names = extensions.filter((name) => name.length > 1);
  return `rv64${extensions.filter((name) => name.length === 1).join("")}_${names.join("_")}`;
}

/** Bits of RISCV_HWPROBE_KEY_IMA_EXT_0; F and D have one together. */
const probed: Readonly<Partial<Record<string, bigint>>> = {
  d: 1n << 0n,
  c: 1n << 1n,
  zba: 1n << 3n,
  zbb: 1n << 4n,
  zbs: 1n << 5n,
};
export const probedExtensions: bigint = userExtensions.reduce((bits, name) => bits | (probed[name] ?? 0n), 0n);
