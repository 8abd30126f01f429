/** An initial RAM disk of our own making: busybox, the modules for our devices, and a shell on the console. */
import { characterDevice, directory, file, link, packCpio } from "./cpio.ts";
import type { RealImages } from "./packages.ts";

/** In the order in which they have to be loaded. */
const modules = [
  "drivers/virtio/virtio_mmio",
  "drivers/block/virtio_blk",
  "net/core/failover",
  "drivers/net/net_failover",
  "drivers/net/virtio_net",
  "drivers/char/hw_random/virtio-rng",
];

const nameOf = (path: string): string => `lib/${path.slice(path.lastIndexOf("/") + 1)}.ko`;

const init = `#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in ${modules.map(nameOf).join(" ")}; do insmod /$module; done
echo "init: $(uname -sm) on $(nproc) harts"
exec setsid cttyhack sh
`;

export function initramfs({ busybox, module }: RealImages): Uint8Array {
  return packCpio([
    ...["bin", "dev", "lib", "mnt", "proc", "sys"].map(directory),
    file("bin/busybox", busybox),
    link("bin/sh", "busybox"),
    characterDevice("dev/console", 5, 1),
    ...modules.map((path) => file(nameOf(path), module(path), 0o644)),
    file("init", init),
  ]);
}
