/** Options of machines that boot bare: firmware, kernel and disks from local files. */
import { statSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { InvalidArgumentError, Option } from "commander";
import {
  type BareBoot,
  BareBootSchema,
  BareConsole,
  type BareDisk,
  BareDiskSchema,
  BareNetwork,
  type BootImage,
  BootImageSchema,
} from "../../../proto/gen/ostler/v1/machines_pb.js";
import { UsageError } from "../failure.ts";
import type { Session } from "../session.ts";
import type { leaf } from "../shared.ts";
import { collect, parseCount, parseSize } from "../units.ts";
import { upload } from "../uploads.ts";

export interface BareOptions {
  bare?: boolean;
  firmware?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  harts?: number;
  disk?: string[];
  network?: string;
  mac?: string;
  console?: string;
}

const CONSOLES = new Map([
  ["uart", BareConsole.UART],
  ["virtio", BareConsole.VIRTIO],
]);
const NETWORKS = new Map([
  ["responder", BareNetwork.RESPONDER],
  ["frames", BareNetwork.FRAMES],
  ["none", BareNetwork.NONE],
]);
const DISK_UNIT_BYTES = 4096;

export const bareOptions = (command: ReturnType<typeof leaf>): ReturnType<typeof leaf> =>
  command
    .option("--bare", "boot firmware of yours instead of Ostler's kernel; with --firmware")
    .option("--firmware <file>", "raw bytes for 0x80000000 or ELF, for example OpenSBI's fw_dynamic.bin")
    .option("--kernel <file>", "what the firmware goes on to: raw bytes for 0x80200000 or ELF")
    .option("--initrd <file>", "initial RAM disk")
    .option("--append <text>", "the kernel's command line")
    .addOption(new Option("--harts <n>", "harts, 1 to 8 (default 1)").argParser(parseCount))
    .addOption(
      new Option(
        "--disk <file or size[,ro]>",
        "a disk with a file's content, or an empty one of a size; may be repeated",
      ).argParser(collect),
    )
    .addOption(
      new Option("--network <cable>", "what a bare machine's network leads to (default responder)").choices([
        ...NETWORKS.keys(),
      ]),
    )
    .option("--mac <address>", "its network device's address, for example 52:54:00:12:34:56")
    .addOption(
      new Option("--console <device>", "which device of a bare machine gets what is typed (default uart)").choices([
        ...CONSOLES.keys(),
      ]),
    );

/** What the options say over what the spec's file said; nothing when neither says anything. */
export async function bareBoot(
  session: Session,
  given: BareBoot | undefined,
  options: BareOptions,
): Promise<BareBoot | undefined> {
  const { firmware, kernel, initrd, append, harts, disk, console, network, mac } = options;
  const isAsked = [options.bare, firmware, kernel, initrd, append, disk, console, network, mac].some(
    (o) => o !== undefined,
  );
  if (!isAsked) return given;
  const boot = given ?? create(BareBootSchema);
  if (firmware !== undefined) boot.firmware = await image(session, firmware);
  if (kernel !== undefined) boot.kernel = await image(session, kernel);
  if (initrd !== undefined) boot.initrd = await image(session, initrd);
  if (append !== undefined) boot.commandLine = append;
  if (harts !== undefined) boot.harts = harts;
  if (network !== undefined) boot.network = NETWORKS.get(network)!;
  if (mac !== undefined) boot.macAddress = mac.toLowerCase();
  if (console !== undefined) boot.console = CONSOLES.get(console)!;
  for (const each of disk ?? []) boot.disks.push(await diskOf(session, each));
  if (boot.firmware === undefined)
    throw new UsageError("a bare machine needs firmware", "give --firmware, for example OpenSBI's fw_dynamic.bin");
  return boot;
}

async function image(session: Session, file: string): Promise<BootImage> {
  return create(BootImageSchema, { contentHash: (await upload(session, file)).hash });
}

/** disk.img, disk.img,ro, or 64M. A file is meant when there is one of that name. */
async function diskOf(session: Session, text: string): Promise<BareDisk> {
  const [, name = "", only] = /^(.*?)(,ro)?$/.exec(text) ?? [];
  const readOnly = only !== undefined;
  if (statSync(name, { throwIfNoEntry: false })?.isFile())
    return create(BareDiskSchema, { image: await image(session, name), readOnly });
  try {
    const bytes = Math.ceil(parseSize(name) / DISK_UNIT_BYTES) * DISK_UNIT_BYTES;
    return create(BareDiskSchema, { bytes: BigInt(bytes), readOnly });
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(`--disk ${text}: no such file, and not a size`, "give a file, or for example 64M");
  }
}
