/** virtio-blk (virtio 1.2, 5.2): reads, writes, flushes, discards and zeroes sectors of a disk. */
import type { Dma } from "../bus/dma.ts";
import type { Disk } from "../disk/disk.ts";
import { diskPageBytes } from "../disk/state.ts";
import type { Served, VirtioDevice } from "./device.ts";
import { type Chain, gather, readableBytes, scatter, writableBytes } from "./queue.ts";

const sectorBytes = 512;
const headerBytes = 16;
const rangeBytes = 16;
const serialBytes = 20;
/** Of one discard or zeroing: 4 MiB, as much as a write may have. */
const mostClearedSectors = 8192;
/** A flag of a range to be zeroed. */
const unmap = 1;
/** Bits of the features that are offered. */
const Feature = {
  segments: 1 << 2,
  readOnly: 1 << 5,
  blockSize: 1 << 6,
  flush: 1 << 9,
  discard: 1 << 13,
  zeroes: 1 << 14,
} as const;
const Request = { read: 0, write: 1, flush: 4, identify: 8, discard: 11, writeZeroes: 13 } as const;
const Result = { ok: 0, error: 1, unsupported: 2 } as const;
type Result = (typeof Result)[keyof typeof Result];

/** A request takes this long, and so much for every 4 KiB that it moves: 1 GB/s. */
const requestNs = 20_000;
const pageNs = 4096;

function configOf(disk: Disk): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(disk.bytes / sectorBytes), true);
  view.setUint32(12, 128, true); // segments of one request
  view.setUint32(20, sectorBytes, true);
  bytes[24] = 3; // eight sectors to a physical block
  view.setUint16(34, 1, true); // queues
  view.setUint32(36, mostClearedSectors, true);
  view.setUint32(40, 1, true);
  view.setUint32(44, 8, true); // best discarded in pages
  view.setUint32(48, mostClearedSectors, true);
  view.setUint32(52, 1, true);
  bytes[56] = 1;
  return bytes;
}

const inDisk = (disk: Disk, sector: bigint, bytes: number): boolean =>
  sector * BigInt(sectorBytes) + BigInt(bytes) <= BigInt(disk.bytes);

interface Command {
  type: number;
  sector: bigint;
  chain: Chain;
  dma: Dma;
  /** Bytes that the device may write, without the status. */
  room: number;
}

function read(disk: Disk, { sector, chain, dma, room }: Command): { result: Result; moved: number } {
  if (room % sectorBytes !== 0 || !inDisk(disk, sector, room)) return { result: Result.error, moved: 0 };
  const bytes = new Uint8Array(room);
  disk.read(Number(sector) * sectorBytes, bytes);
  scatter(chain, dma, 0, bytes);
  return { result: Result.ok, moved: room };
}

function write(disk: Disk, { sector, chain, dma }: Command): { result: Result; moved: number } {
  const length = readableBytes(chain) - headerBytes;
  if (disk.readOnly || length % sectorBytes !== 0 || !inDisk(disk, sector, length))
    return { result: Result.error, moved: 0 };
  disk.write(Number(sector) * sectorBytes, gather(chain, dma, headerBytes, length));
  return { result: Result.ok, moved: length };
}

/** Discarded sectors read as zeros, too. The one flag that there is, unmap, is for zeroing. */
function clear(disk: Disk, { type, chain, dma }: Command): { result: Result; moved: number } {
  const range = gather(chain, dma, headerBytes, rangeBytes);
  if (range.length < rangeBytes || readableBytes(chain) !== headerBytes + rangeBytes)
    return { result: Result.unsupported, moved: 0 };
  const view = new DataView(range.buffer);
  const sector = view.getBigUint64(0, true);
  const sectors = view.getUint32(8, true);
  const flags = view.getUint32(12, true);
  if (flags > (type === Request.writeZeroes ? unmap : 0)) return { result: Result.unsupported, moved: 0 };
  if (disk.readOnly || sectors > mostClearedSectors || !inDisk(disk, sector, sectors * sectorBytes))
    return { result: Result.error, moved: 0 };
  disk.clear(Number(sector) * sectorBytes, sectors * sectorBytes);
  return { result: Result.ok, moved: sectors * sectorBytes };
}

function identify(disk: Disk, { chain, dma, room }: Command): { result: Result; moved: number } {
  const name = new Uint8Array(Math.min(serialBytes, room));
  for (let i = 0; i < Math.min(name.length, disk.serial.length); i++) name[i] = disk.serial.charCodeAt(i);
  return { result: Result.ok, moved: scatter(chain, dma, 0, name) };
}

function perform(disk: Disk, command: Command): { result: Result; moved: number } {
  switch (command.type) {
    case Request.read:
      return read(disk, command);
    case Request.write:
      return write(disk, command);
    case Request.flush:
      return { result: Result.ok, moved: 0 };
    case Request.identify:
      return identify(disk, command);
    case Request.discard:
    case Request.writeZeroes:
      return clear(disk, command);
    default:
      return { result: Result.unsupported, moved: 0 };
  }
}

/** The status is the last byte that the device may write; without a header or room for it there is no request. */
function serve(disk: Disk, chain: Chain, dma: Dma): Served {
  const header = gather(chain, dma, 0, headerBytes);
  const room = writableBytes(chain) - 1;
  if (header.length < headerBytes || room < 0) return { written: 0, busyNs: requestNs };
  const view = new DataView(header.buffer);
  const type = view.getUint32(0, true);
  const { result, moved } = perform(disk, { type, sector: view.getBigUint64(8, true), chain, dma, room });
  scatter(chain, dma, room, Uint8Array.of(result));
  const filled = type === Request.read || type === Request.identify ? moved : 0;
  return { written: filled + 1, busyNs: requestNs + Math.ceil(moved / 4096) * pageNs };
}

/** Pages of the disk that a read or write touches; a range that makes no sense touches none. */
function absentFor(disk: Disk, firstPage: number, chain: Chain, dma: Dma): number[] {
  const header = gather(chain, dma, 0, headerBytes);
  if (header.length < headerBytes) return [];
  const view = new DataView(header.buffer);
  const isRead = view.getUint32(0, true) === Request.read;
  const bytes = isRead ? writableBytes(chain) - 1 : readableBytes(chain) - headerBytes;
  const sector = view.getBigUint64(8, true);
  if (bytes <= 0 || !inDisk(disk, sector, bytes)) return [];
  const start = Number(sector) * sectorBytes;
  const pages: number[] = [];
  for (let page = Math.floor(start / diskPageBytes); page * diskPageBytes < start + bytes; page++)
    if (!disk.pages.isPresent(page)) pages.push(firstPage + page);
  return pages;
}

/** `firstPage`: the number that snapshots have for the disk's first page. */
export function blockDevice(disk: Disk, firstPage: number): VirtioDevice {
  const { segments, readOnly, blockSize, flush, discard, zeroes } = Feature;
  return {
    id: 2,
    queues: 1,
    features: segments | blockSize | flush | (disk.readOnly ? readOnly : discard | zeroes),
    config: () => configOf(disk),
    canServe: () => true,
    serve: (_, chain, dma) => serve(disk, chain, dma),
    absentFor: (chain, dma) => absentFor(disk, firstPage, chain, dma),
  };
}
