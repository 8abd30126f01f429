/**
 * `npm run real [-- words]`: every case, or those whose names have a word; how long each took, and how fast it was.
 * `npm run real -- --images folder`: puts what is booted into a folder, for a machine of one's own.
 * `npm run real -- --root file.tar`: packs Debian's shell and its usual tools as a root file system.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { imagesOrReason, realCases } from "./cases.ts";
import { initramfs } from "./initramfs.ts";
import { rootArchive } from "./root.ts";

const words = process.argv.slice(2);
if (words[0] === "--root" && words[1] !== undefined) {
  writeFileSync(words[1], rootArchive());
  process.exit(0);
}
const found = imagesOrReason();
if ("reason" in found) {
  console.error(`Debian's packages cannot be had: ${found.reason}`);
  process.exit(2);
}
if (words[0] === "--images" && words[1] !== undefined) {
  const { images } = found;
  mkdirSync(words[1], { recursive: true });
  const files = {
    "opensbi.bin": images.openSbi,
    "u-boot.bin": images.uBoot,
    linux: images.linux,
    "initrd.cpio": initramfs(images),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(words[1], name), bytes);
  process.exit(0);
}
console.log(`Linux ${found.images.linuxVersion}`);
for (const { name, run } of realCases) {
  if (words.length > 0 && !words.some((word) => name.toLowerCase().includes(word.toLowerCase()))) continue;
  const begin = performance.now();
  const { instructions, timeNs } = run(found.images).position();
  const seconds = (performance.now() - begin) / 1000;
  const figures = [
    `${seconds.toFixed(1)} s`,
    `${(instructions / 1e6).toFixed(0)} M instructions`,
    `${(instructions / seconds / 1e6).toFixed(0)} MIPS`,
    `${(timeNs / 1e9).toFixed(2)} s of virtual time`,
  ];
  console.log(`${name}: ${figures.join(", ")}`);
}
