/** Initial RAM disks: cpio archives in the "newc" format, which Linux unpacks at boot. */
export interface CpioEntry {
  /** Without a leading slash. */
  name: string;
  /** File type and permission bits, for example 0o100755. */
  mode: number;
  data?: Uint8Array;
  /** Of a device node. */
  device?: { major: number; minor: number };
}

export const directory = (name: string): CpioEntry => ({ name, mode: 0o040755 });
export const file = (name: string, data: Uint8Array | string, mode = 0o755): CpioEntry => ({
  name,
  mode: 0o100000 | mode,
  data: typeof data === "string" ? new TextEncoder().encode(data) : data,
});
export const link = (name: string, target: string): CpioEntry => ({
  name,
  mode: 0o120777,
  data: new TextEncoder().encode(target),
});
export const characterDevice = (name: string, major: number, minor: number): CpioEntry => ({
  name,
  mode: 0o020600,
  device: { major, minor },
});

const trailer = "TRAILER!!!";

/** Names and contents are padded to four bytes. */
const padded = (bytes: Uint8Array): Uint8Array => {
  const all = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  all.set(bytes);
  return all;
};

function record({ name, mode, data = new Uint8Array(0), device }: CpioEntry, inode: number): Uint8Array[] {
  const bytes = new TextEncoder().encode(`${name}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, device?.major ?? 0, device?.minor ?? 0, bytes.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [padded(Buffer.concat([Buffer.from(header), bytes])), padded(data)];
}

export function packCpio(entries: readonly CpioEntry[]): Uint8Array {
  const all = [...entries, { name: trailer, mode: 0 }];
  return new Uint8Array(Buffer.concat(all.flatMap((entry, index) => record(entry, index + 1))));
}
