/** Disks through their driver, against an array of bytes; and what snapshots see of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { diskOver } from "../../../kernel/hardware/disk/disk.ts";
import { type DiskState, initDisk } from "../../../kernel/hardware/disk/state.ts";
import { Driver } from "./driver.ts";
import { ramBase, rig } from "./rig.ts";

const diskBytes = 8 * 4096;
const image = Uint8Array.from({ length: 3 * 4096 + 100 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
const contents = new Map([["image", image]]);
const partOf = (_hash: string, offset: number, length: number) => image.subarray(offset, offset + length);
const [header, payload, status] = [0x8000, 0x9000, 0x8800];

function diskRig(readOnly = false) {
  const r = rig({
    contents,
    disks: [{ image: { content: "image", size: image.length }, bytes: diskBytes, readOnly }],
  });
  const driver = new Driver(r, 0);
  driver.start();
  /** One request with `length` bytes of data; its status. */
  const request = (type: number, sector: number | bigint, length: number, toDevice: boolean): number => {
    driver.view.setUint32(header, type, true);
    driver.view.setBigUint64(header + 8, BigInt(sector), true);
    r.ram.bytes[status] = 0xee;
    driver.post([
      { address: ramBase + header, length: 16, writable: false },
      ...(length > 0 ? [{ address: ramBase + payload, length, writable: !toDevice }] : []),
      { address: ramBase + status, length: 1, writable: true },
    ]);
    r.pass(1_000_000);
    expect(driver.returned().length).toBe(1);
    return r.ram.bytes[status]!;
  };
  return { r, driver, request };
}

test("capacity, identity and flush", () => {
  const { r, driver, request } = diskRig();
  expect([r.read(driver.base + 0x100), r.read(driver.base + 0x104)]).toEqual([diskBytes / 512, 0]);
  expect(request(8, 0, 20, false)).toBe(0);
  expect(Buffer.from(r.ram.bytes.subarray(payload, payload + 6)).toString()).toBe("disk0\0");
  expect(request(4, 0, 0, false)).toBe(0);
  expect(request(77, 0, 0, false)).toBe(2);
});

test("what lies beyond the disk, or is no whole sector, is an error", () => {
  const { request } = diskRig();
  expect(request(0, diskBytes / 512, 512, false)).toBe(1);
  expect(request(0, diskBytes / 512 - 1, 1024, false)).toBe(1);
  expect(request(1, 2n ** 63n, 512, true)).toBe(1);
  expect(request(0, 0, 100, false)).toBe(1);
  expect(request(1, 0, 100, true)).toBe(1);
});

test("a disk that is read-only says so, and cannot be written", () => {
  const { driver, request } = diskRig(true);
  expect(driver.read(0x10) & (1 << 5)).toBe(1 << 5);
  expect([request(1, 0, 512, true), request(0, 0, 512, false)]).toEqual([1, 0]);
});

test.each([
  ["discard", 11, 1, 2],
  ["discard", 11, 2, 2],
  ["zeroing", 13, 1, 0],
  ["zeroing", 13, 3, 2],
])("a %s of type %i with flags %i has the status %i", (_, type, flags, status) => {
  const { r, request } = diskRig();
  const view = new DataView(r.ram.bytes.buffer);
  view.setBigUint64(payload, 0n, true);
  view.setUint32(payload + 8, 1, true);
  view.setUint32(payload + 12, flags, true);
  expect(request(type, 0, 16, true)).toBe(status);
});

const sectors = diskBytes / 512;
const operation = fc.record({
  kind: fc.constantFrom("read", "write", "discard", "zero"),
  sector: fc.nat(sectors - 1),
  count: fc.integer({ min: 1, max: 20 }),
  fill: fc.nat(255),
});

test("reads, writes and discards as an array of bytes would", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
      const { r, request } = diskRig();
      const model = new Uint8Array(diskBytes);
      model.set(image);
      for (const { kind, sector, count: wanted, fill } of operations) {
        const count = Math.min(wanted, sectors - sector);
        const [from, length] = [sector * 512, count * 512];
        if (kind === "read") {
          expect(request(0, sector, length, false)).toBe(0);
          expect(r.ram.bytes.subarray(payload, payload + length)).toEqual(model.subarray(from, from + length));
        } else if (kind === "write") {
          for (let i = 0; i < length; i++) r.ram.bytes[payload + i] = fill + i;
          expect(request(1, sector, length, true)).toBe(0);
          model.set(r.ram.bytes.subarray(payload, payload + length), from);
        } else {
          const view = new DataView(r.ram.bytes.buffer);
          view.setBigUint64(payload, BigInt(sector), true);
          view.setUint32(payload + 8, count, true);
          view.setUint32(payload + 12, 0, true);
          expect(request(kind === "zero" ? 13 : 11, 0, 16, true)).toBe(0);
          model.fill(0, from, from + length);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("written pages are dirty until they are cleared, and come back by what a snapshot has of them", () => {
  const state: DiskState = initDisk(
    { image: { content: "image", size: image.length }, bytes: diskBytes, readOnly: false },
    0,
  );
  const ports = { content: partOf, fetch: (): Uint8Array => expect.unreachable() };
  const disk = diskOver(state, ports);
  disk.clear(3 * 4096, 4096);
  disk.write(4096 + 10, Uint8Array.of(1, 2, 3));
  const { pages } = disk;
  const dirty = (): number[] => Array.from({ length: pages.count }, (_, page) => page).filter(pages.isDirty, pages);
  expect([dirty(), pages.dirtyPages()]).toEqual([
    [1, 3],
    [1, 3],
  ]);
  const saved = new Map(dirty().map((page) => [page, pages.page(page).slice()]));
  pages.clearDirty();
  expect(dirty()).toEqual([]);

  const fetched: number[] = [];
  const restored = diskOver(structuredClone(state), {
    ...ports,
    fetch(page) {
      fetched.push(page);
      return saved.get(page)!;
    },
  });
  const whole = new Uint8Array(diskBytes);
  restored.read(0, whole);
  const before = new Uint8Array(diskBytes);
  disk.read(0, before);
  expect(whole).toEqual(before);
  expect(fetched).toEqual([1, 3]);
  expect([restored.pages.isPresent(1), restored.pages.isDirty(1)]).toEqual([true, false]);
});

test("clearing a page twice, and writing to it, does not change another cleared page", () => {
  const state = initDisk({ image: null, bytes: diskBytes, readOnly: false }, 0);
  const disk = diskOver(state, { content: partOf, fetch: () => image });
  disk.clear(0, 8192);
  disk.write(5, Uint8Array.of(9));
  const other = new Uint8Array(4096);
  disk.read(4096, other);
  expect(other.every((byte) => byte === 0)).toBe(true);
});

test("a disk takes memory for the pages that it holds, but not for zeros", () => {
  const disk = diskOver(initDisk({ image: null, bytes: diskBytes, readOnly: false }, 0), {
    content: partOf,
    fetch: () => new Uint8Array(4096),
  });
  const held: number[] = [];
  const after = (change: () => void): void => {
    change();
    held.push(disk.pages.held);
  };
  after(() => disk.read(0, new Uint8Array(4096)));
  after(() => disk.write(4000, Uint8Array.of(...Array(200).fill(1))));
  after(() => disk.write(0, new Uint8Array(4096).fill(2)));
  after(() => disk.clear(0, 8192));
  after(() => disk.clear(3 * 4096, 4096));
  after(() => disk.write(0, Uint8Array.of(3)));
  expect(held).toEqual([0, 2, 2, 0, 0, 1]);
});
