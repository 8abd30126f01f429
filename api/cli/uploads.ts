/**
 * Files that go to the server, which keeps them by content: what it has already is not sent again. Larger ones are sent in
 * parts, and read twice instead of into memory: once for their hash.
 */
import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { createGunzip, gunzipSync } from "node:zlib";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { Code } from "../errors.ts";
import { CommandError, isServerError, readInput, unreadable } from "./failure.ts";
import type { Session } from "./session.ts";
import { formatSize } from "./units.ts";

export interface Uploaded {
  hash: string;
  name: string;
  size: number;
  /** False when the server had it already. */
  sent: boolean;
}

/** Larger files are sent in parts. */
const SMALL_BYTES = 8 * 1024 * 1024;
const PART_BYTES = 1024 * 1024;
const GZIP_MAGIC = [0x1f, 0x8b];

/** A file that can be read more than once. */
type Parts = () => AsyncIterable<Uint8Array<ArrayBuffer>>;

export const sha256Hex = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Sends a file unless the server has it already. */
export async function upload(session: Session, file: string, asName?: string): Promise<Uploaded> {
  if (isLarge(file)) return sendParts(session, partsOf(file, false), basename(file), asName);
  const data = readInput(file);
  if (data.length === 0) throw new CommandError(`${file}: it is empty`);
  return send(session, data, basename(file), asName);
}

/** An archive for a root file system; a compressed one is sent as what it holds. */
export async function uploadArchive(session: Session, file: string): Promise<Uploaded> {
  const name = basename(file).replace(/\.t?gz$/, "");
  if (isLarge(file)) return sendParts(session, partsOf(file, isGzip(beginning(file))), name);
  const data = readInput(file);
  return send(session, isGzip(data) ? unpacked(file, data) : data, name);
}

const isGzip = (data: Uint8Array): boolean => GZIP_MAGIC.every((byte, i) => data[i] === byte);

/** What is no plain file can be read once only; what cannot be looked at is told by who reads it. */
function isLarge(file: string): boolean {
  try {
    const found = statSync(file);
    return found.isFile() && found.size > SMALL_BYTES;
  } catch {
    return false;
  }
}

function beginning(file: string): Uint8Array {
  const bytes = new Uint8Array(GZIP_MAGIC.length);
  let descriptor: number | null = null;
  try {
    descriptor = openSync(file, "r");
    readSync(descriptor, bytes);
    return bytes;
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

const partsOf = (file: string, isCompressed: boolean): Parts =>
  async function* () {
    const source = createReadStream(file, { highWaterMark: PART_BYTES });
    const stream = isCompressed ? source.pipe(createGunzip({ chunkSize: PART_BYTES })) : source;
    source.on("error", (error) => stream.destroy(error));
    try {
      for await (const part of stream) yield new Uint8Array(part);
    } catch (error) {
      if (isCompressed && (error as NodeJS.ErrnoException).code?.startsWith("Z_")) throw notUnpacked(file, error);
      throw unreadable(file, error);
    }
  };

function unpacked(file: string, data: Uint8Array): Uint8Array {
  try {
    return gunzipSync(data);
  } catch (error) {
    throw notUnpacked(file, error);
  }
}

const notUnpacked = (file: string, error: unknown): CommandError =>
  new CommandError(`${file}: ${(error as Error).message}`, "give a tar archive, plain or compressed by gzip");

async function send(session: Session, data: Uint8Array, ownName: string, asName?: string): Promise<Uploaded> {
  const uploaded = { hash: sha256Hex(data), name: asName ?? ownName, size: data.length };
  const programs = await session.service(ProgramService);
  if (asName === undefined && (await isThere(session, uploaded.hash))) return { ...uploaded, sent: false };
  await programs.uploadProgram({ name: uploaded.name, data, expectedHash: uploaded.hash });
  return { ...uploaded, sent: true };
}

async function sendParts(session: Session, parts: Parts, ownName: string, asName?: string): Promise<Uploaded> {
  const { hash, size } = await measure(session, parts);
  const uploaded = { hash, name: asName ?? ownName, size };
  if (asName === undefined && (await isThere(session, hash))) return { ...uploaded, sent: false };
  const requests = async function* () {
    yield { name: uploaded.name, expectedHash: hash, size: BigInt(size) };
    let sent = 0;
    for await (const data of parts()) {
      yield { data };
      sent += data.length;
      session.out.progress(`${uploaded.name}: ${formatSize(sent)} of ${formatSize(size)} sent`);
    }
  };
  const programs = await session.service(ProgramService);
  const signal = session.interruptible();
  // The server keeps nothing of what did not arrive whole: it is sent from its beginning again.
  for await (const _answer of session.follow(() => programs.uploadContent(requests(), { signal }), signal)) {
    session.out.progress("");
    return { ...uploaded, sent: true };
  }
  throw new CommandError("the server took the file and did not answer", "look for it with `ostler program list`");
}

async function measure(session: Session, parts: Parts): Promise<{ hash: string; size: number }> {
  const digest = createHash("sha256");
  let size = 0;
  for await (const part of parts()) {
    digest.update(part);
    size += part.length;
    session.out.progress(`${formatSize(size)} read`);
  }
  session.out.progress("");
  return { hash: digest.digest("hex"), size };
}

async function isThere(session: Session, programHash: string): Promise<boolean> {
  const programs = await session.service(ProgramService);
  try {
    await programs.getProgram({ programHash });
    return true;
  } catch (error) {
    if (isServerError(error) && error.code === Code.NOT_FOUND) return false;
    throw error;
  }
}
