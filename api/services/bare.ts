/** Machines that boot bare: what a spec says of firmware, kernel and disks, made the kernel's config, and checked. */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { bootProblem, defaultMac } from "../../kernel/catalogue.ts";
import type { BareBoot, ImageSpec } from "../../kernel/index.ts";
import {
  BareBootSchema,
  BareConsole,
  type BareDisk,
  BareDiskSchema,
  BareNetwork,
  type BareBoot as BareSpec,
  type BootImage,
} from "../../proto/gen/ostler/v1/machines_pb.js";
import { invalid } from "../errors.ts";
import type { Owner, Store } from "../store/types.ts";
import { sizeOfUpload } from "./uploads.ts";

const DISK_UNIT_BYTES = 4096;

const imageOf = (image: BootImage | undefined): ImageSpec | null =>
  image === undefined ? null : { content: image.contentHash, size: Number(image.size) };

const diskBytesOf = ({ bytes, image }: BareDisk): number =>
  Number(bytes) || Math.ceil(Number(image?.size ?? 0) / DISK_UNIT_BYTES) * DISK_UNIT_BYTES;

function networkOf({ network, macAddress }: BareSpec): BareBoot["network"] {
  if (network === BareNetwork.NONE) return null;
  return { cable: network === BareNetwork.FRAMES ? "frames" : "responder", mac: macAddress || defaultMac };
}

/** Machines that are to be connected must not all have the same address. The first three bytes are those of the default. */
function macByChance(): string {
  const chosen = [...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${defaultMac.slice(0, 8)}:${chosen.join(":")}`;
}

export const bareBootOf = (spec: BareSpec): BareBoot => ({
  firmware: imageOf(spec.firmware)!,
  kernel: imageOf(spec.kernel),
  initrd: imageOf(spec.initrd),
  disks: spec.disks.map((disk) => ({ image: imageOf(disk.image), bytes: diskBytesOf(disk), readOnly: disk.readOnly })),
  commandLine: spec.commandLine,
  harts: spec.harts || 1,
  network: networkOf(spec),
  console: spec.console === BareConsole.VIRTIO ? "virtio" : "uart",
});

export const bareWithDefaults = (spec: BareSpec): BareSpec =>
  create(BareBootSchema, {
    ...spec,
    harts: spec.harts || 1,
    disks: spec.disks.map((disk) => create(BareDiskSchema, { ...disk, bytes: BigInt(diskBytesOf(disk)) })),
    console: spec.console || BareConsole.UART,
    network: spec.network || BareNetwork.RESPONDER,
    macAddress: spec.macAddress || (spec.network === BareNetwork.FRAMES ? macByChance() : defaultMac),
  });

/** Fills in the sizes of what was uploaded. */
export async function completeImages(store: Store, owner: Owner, spec: BareSpec, field: string): Promise<void> {
  const complete = async (image: BootImage | undefined, name: string): Promise<void> => {
    if (image !== undefined) image.size = await sizeOfUpload(store, owner, image.contentHash, `${field}.${name}`);
  };
  await complete(spec.firmware, "firmware");
  await complete(spec.kernel, "kernel");
  await complete(spec.initrd, "initrd");
  for (const [index, disk] of spec.disks.entries()) {
    await complete(disk.image, `disks[${index}].image`);
    const { image } = disk;
    const bytes = diskBytesOf(disk);
    if (bytes === 0) throw invalid(`${field}.disks[${index}].bytes`, "give the disk a size or an image");
    if (image !== undefined && Number(image.size) > bytes)
      throw invalid(`${field}.disks[${index}].bytes`, `is less than the image's ${image.size} bytes`);
  }
}

/** Whether everything lies in RAM, and is what it is taken for. */
export async function checkBoot(store: Store, memoryBytes: number, spec: BareSpec, field: string): Promise<void> {
  const boot = bareBootOf(spec);
  for (const name of ["firmware", "kernel", "initrd"] as const)
    if ((boot[name]?.size ?? 0) > memoryBytes)
      throw invalid(`${field}.${name}`, `its ${boot[name]!.size} bytes do not fit RAM, which has ${memoryBytes}`);
  const hashes = [boot.firmware, boot.kernel].flatMap((image) => (image === null ? [] : [image.content]));
  const contents = await store.blobs.get(hashes);
  const part = (hash: string, offset: number, length: number) => contents.get(hash)!.subarray(offset, offset + length);
  const problem = bootProblem(memoryBytes, boot, part);
  if (problem === null) return;
  const at = problem.field === "memory_bytes" ? field.replace(/bare$/, "memory_bytes") : `${field}.${problem.field}`;
  throw invalid(at, problem.message);
}
