/**
 * A snapshot as one file: everything that it stands on, so that another server can go on from it.
 *
 *     "OSTLERSN", format (1 byte: 1), records
 *     record = kind (1 byte), length of the data (4 bytes, little-endian), data
 *       H   JSON: root, spec (base64) and where the machine stood. The first record.
 *       B   content; its name is the SHA-256 of the data
 *       E   SHA-256 of everything before this record. The last record; nothing follows it.
 *
 * Content comes once, whoever refers to it, and only after something that refers to it: first all that refers to other
 * content (root, state, nodes), then what refers to nothing (pages, files). So a reader knows of each record whether it is
 * wanted, stores it at once, and needs to remember names only. Nothing is compressed; compress the file.
 */
import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SnapshotFormatError, visitReferences } from "../../kernel/content.ts";
import { Code, invalid, OstlerError } from "../errors.ts";
import { PieceWriter } from "../store/pieces.ts";
import type { Bytes, Hash, Hold, Reference, SnapshotRow, Store } from "../store/types.ts";
import { referencesOf } from "./collection/references.ts";

const MAGIC = "OSTLERSN";
const FORMAT = 1;
const PREFIX_BYTES = MAGIC.length + 1;
const HEAD_BYTES = 5;
const KIND = { header: 0x48, blob: 0x42, end: 0x45 } as const;
const MOST_HEADER_BYTES = 32 * 1024 * 1024;
/** Of what refers to other content; and of files and images, which need not be in memory as a whole. */
const MOST_BLOB_BYTES = 256 * 1024 * 1024;
const MOST_LEAF_BYTES = 1024 * 1024 * 1024;
const PART_BYTES = 256 * 1024;
const BLOBS_PER_STEP = 64;
const BYTES_PER_PUT = 2 * 1024 * 1024;

export type ArchivedSnapshot = Pick<
  SnapshotRow,
  "displayName" | "labels" | "root" | "at" | "sequence" | "traceSequence" | "consoleLength" | "totalBytes" | "spec"
>;

const wantedBy = (snapshot: ArchivedSnapshot): Reference[] =>
  referencesOf({ kind: "snapshot", id: "", root: snapshot.root, spec: snapshot.spec });
const nameOf = (data: Uint8Array): Hash => createHash("sha256").update(data).digest("hex");

/** What is still to come of a snapshot's content: the same on both ends, and in the same order. */
class Outstanding {
  readonly inner: Reference[] = [];
  readonly leaves: Hash[] = [];
  readonly #seen = new Set<Hash>();

  add(reference: Reference): void {
    const key = reference.kind === "leaf" ? `leaf ${reference.hash}` : reference.hash;
    if (this.#seen.has(key) || (reference.kind === "leaf" && this.#seen.has(reference.hash))) return;
    this.#seen.add(key);
    if (reference.kind === "leaf") this.leaves.push(reference.hash);
    else this.inner.push(reference);
  }

  follow({ kind, hash }: Reference, data: Bytes): void {
    visitReferences(kind, hash, data, (of, name) => this.add({ kind: of, hash: Buffer.from(name).toString("hex") }));
  }
}

// ---- Writing --------------------------------------------------------------------------------------------------

/** The file's bytes, piece by piece. The snapshot must be held. Throws CorruptBlobError, or DATA_LOSS for what is gone. */
export async function* writeArchive(
  { blobs }: Pick<Store, "blobs">,
  snapshot: ArchivedSnapshot,
): AsyncGenerator<Bytes> {
  const digest = createHash("sha256");
  const hashed = (bytes: Bytes): Bytes => {
    digest.update(bytes);
    return bytes;
  };
  yield hashed(
    new Uint8Array(Buffer.concat([Buffer.from(MAGIC, "ascii"), Buffer.from([FORMAT]), headerRecord(snapshot)])),
  );
  const outstanding = new Outstanding();
  for (const reference of wantedBy(snapshot)) outstanding.add(reference);
  while (outstanding.inner.length > 0) {
    const step = outstanding.inner.splice(0, BLOBS_PER_STEP);
    const found = await read(
      blobs,
      step.map(({ hash }) => hash),
    );
    for (const [index, reference] of step.entries()) outstanding.follow(reference, found[index]!);
    yield hashed(blobRecords(found));
  }
  for (let at = 0; at < outstanding.leaves.length; at += BLOBS_PER_STEP)
    for await (const bytes of leafRecords(blobs, outstanding.leaves.slice(at, at + BLOBS_PER_STEP)))
      yield hashed(bytes);
  yield record(KIND.end, digest.digest());
}

/** Content that is stored in pieces is one record, too, and never in memory as a whole. */
async function* leafRecords(blobs: Store["blobs"], hashes: readonly Hash[]): AsyncGenerator<Bytes> {
  const found = await blobs.look(hashes);
  for (const hash of hashes) {
    const stored = found.get(hash);
    if (stored === undefined) throw missing(hash);
    if (stored instanceof Uint8Array) {
      yield record(KIND.blob, stored);
      continue;
    }
    yield recordHead(KIND.blob, stored.size);
    for (const piece of stored.hashes) {
      await nextTurn();
      yield (await read(blobs, [piece]))[0]!;
    }
  }
}

const missing = (hash: Hash): OstlerError =>
  new OstlerError(Code.DATA_LOSS, "CONTENT_MISSING", `content ${hash} is not stored`);

async function read(blobs: Store["blobs"], hashes: readonly Hash[]): Promise<Bytes[]> {
  const found = await blobs.get(hashes);
  return hashes.map((hash) => {
    const data = found.get(hash);
    if (data === undefined) throw missing(hash);
    return data;
  });
}

const blobRecords = (data: readonly Bytes[]): Bytes =>
  new Uint8Array(Buffer.concat(data.map((each) => record(KIND.blob, each))));

function headerRecord({ spec, ...rest }: ArchivedSnapshot): Bytes {
  const { displayName, labels, root, at, sequence, traceSequence, consoleLength, totalBytes } = rest;
  const fields = { root, displayName, labels, at, sequence, traceSequence, consoleLength, totalBytes };
  return record(
    KIND.header,
    Buffer.from(JSON.stringify({ ...fields, spec: Buffer.from(spec ?? []).toString("base64") })),
  );
}

const record = (kind: number, data: Uint8Array): Bytes =>
  new Uint8Array(Buffer.concat([recordHead(kind, data.length), data]));

function recordHead(kind: number, length: number): Bytes {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(kind, 0);
  head.writeUInt32LE(length, 1);
  return new Uint8Array(head);
}

// ---- Reading --------------------------------------------------------------------------------------------------

/** Stores what the file brings, under the hold. Throws INVALID_ARGUMENT, naming the byte, for what is no such file. */
export async function readArchive(
  { blobs }: Pick<Store, "blobs">,
  chunks: AsyncIterable<Uint8Array>,
  hold: Hold,
): Promise<ArchivedSnapshot & { newBytes: number }> {
  const source = new Source(chunks);
  const snapshot = await readHeader(source);
  const outstanding = new Outstanding();
  for (const reference of wantedBy(snapshot)) outstanding.add(reference);
  const taken = new Taken(blobs, hold);
  while (outstanding.inner.length > 0) {
    const reference = outstanding.inner.shift()!;
    const data = await readBlob(source, reference.hash);
    try {
      outstanding.follow(reference, data);
    } catch (error) {
      if (error instanceof SnapshotFormatError) throw source.refusal(error.message);
      throw error;
    }
    await taken.add(reference.hash, data);
  }
  for (const hash of outstanding.leaves) await readLeaf(source, hash, taken);
  await readEnd(source);
  return { ...snapshot, newBytes: await taken.flush() };
}

/** What was read and is not stored yet. */
class Taken {
  readonly #blobs: Store["blobs"];
  readonly #hold: Hold;
  #waiting: { hash: Hash; data: Bytes }[] = [];
  #bytes = 0;
  #newBytes = 0;

  constructor(blobs: Store["blobs"], hold: Hold) {
    this.#blobs = blobs;
    this.#hold = hold;
  }

  async add(hash: Hash, data: Bytes): Promise<void> {
    this.#waiting.push({ hash, data });
    this.#bytes += data.length;
    if (this.#bytes >= BYTES_PER_PUT) await this.flush();
  }

  /** Stores large content as it comes. Returns its hash; it is stored under that only if it is the one wanted. */
  async stream(wanted: Hash, parts: AsyncIterable<Bytes>): Promise<Hash> {
    const writer = new PieceWriter({ ...this.#blobs, put: (blobs) => this.#put(blobs) }, this.#hold);
    for await (const part of parts) await writer.write(part);
    return (await writer.end(wanted)).hash;
  }

  /** Small content is gathered. */
  async #put(blobs: readonly { hash: Hash; data: Bytes }[]): Promise<{ newBytes: number }> {
    for (const { hash, data } of blobs) await this.add(hash, data);
    return { newBytes: 0 };
  }

  /** Returns how many bytes were new to the store, in all. */
  async flush(): Promise<number> {
    this.#newBytes += (await this.#blobs.put(this.#waiting, this.#hold)).newBytes;
    this.#waiting = [];
    this.#bytes = 0;
    return this.#newBytes;
  }
}

async function readHeader(source: Source): Promise<ArchivedSnapshot> {
  const prefix = await source.take(PREFIX_BYTES);
  if (Buffer.from(prefix.subarray(0, MAGIC.length)).toString("latin1") !== MAGIC)
    throw source.refusal("it is no snapshot");
  if (prefix[MAGIC.length]! !== FORMAT)
    throw source.refusal(`it has format ${prefix[MAGIC.length]}; this release reads format ${FORMAT}`);
  const { kind, data } = await source.record(MOST_HEADER_BYTES);
  if (kind !== KIND.header) throw source.refusal("its first record is no header");
  try {
    return headerOf(JSON.parse(Buffer.from(data).toString()));
  } catch {
    throw source.refusal("its header is damaged");
  }
}

function headerOf(json: Record<string, unknown>): ArchivedSnapshot {
  const text = (value: unknown): string => {
    if (typeof value !== "string") throw new TypeError("no text");
    return value;
  };
  const count = (value: unknown): number => {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError("no count");
    return value as number;
  };
  const at = json["at"] as Record<string, unknown>;
  const header: ArchivedSnapshot = {
    root: text(json["root"]),
    displayName: text(json["displayName"]).slice(0, 128),
    labels: Object.fromEntries(Object.entries(json["labels"] as object).map(([name, value]) => [name, text(value)])),
    at: { instructions: count(at["instructions"]), timeNs: count(at["timeNs"]) },
    sequence: count(json["sequence"]),
    traceSequence: count(json["traceSequence"]),
    consoleLength: count(json["consoleLength"]),
    totalBytes: count(json["totalBytes"]),
    spec: new Uint8Array(Buffer.from(text(json["spec"]), "base64")),
  };
  if (!/^[0-9a-f]{64}$/.test(header.root)) throw new TypeError("no hash");
  // Decodes the spec: one that does not would be found only by whoever forks it.
  wantedBy(header);
  return header;
}

async function readBlob(source: Source, wanted: Hash): Promise<Bytes> {
  const { kind, data } = await source.record(MOST_BLOB_BYTES);
  if (kind !== KIND.blob) throw source.refusal(`it ends before content ${wanted}`);
  const hash = nameOf(data);
  if (hash !== wanted) throw otherHash(source, wanted, hash);
  return data;
}

async function readLeaf(source: Source, wanted: Hash, taken: Taken): Promise<void> {
  const { kind, length } = await source.head(MOST_LEAF_BYTES);
  if (kind !== KIND.blob) throw source.refusal(`it ends before content ${wanted}`);
  if (length > PART_BYTES) {
    const hash = await taken.stream(wanted, source.parts(length));
    if (hash !== wanted) throw otherHash(source, wanted, hash);
    return;
  }
  const data = await source.take(length);
  const hash = nameOf(data);
  if (hash !== wanted) throw otherHash(source, wanted, hash);
  await taken.add(hash, data);
}

const otherHash = (source: Source, wanted: Hash, hash: Hash): OstlerError =>
  source.refusal(`content ${wanted} should be here, and what is here has the hash ${hash}`);

async function readEnd(source: Source): Promise<void> {
  const digest = source.digest();
  const { kind, data } = await source.record(MOST_BLOB_BYTES);
  if (kind !== KIND.end) throw source.refusal("there is more content than the snapshot stands on");
  if (Buffer.compare(data, digest) !== 0) throw source.refusal("its checksum is another");
  if (!(await source.isAtEnd())) throw source.refusal("something follows its end");
}

/** Bytes of a stream in the portions that the reader wants. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #digest = createHash("sha256");
  #rest: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Of all that was taken so far. */
  digest(): Buffer {
    return this.#digest.copy().digest();
  }

  refusal(why: string): OstlerError {
    return invalid("data", `is not a whole snapshot file: ${why} (before byte ${this.#offset})`);
  }

  async take(length: number): Promise<Bytes> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) throw this.refusal("it is cut short");
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    this.#offset += length;
    const bytes = new Uint8Array(Buffer.concat(parts));
    this.#digest.update(bytes);
    return bytes;
  }

  async head(most: number): Promise<{ kind: number; length: number }> {
    const head = Buffer.from(await this.take(HEAD_BYTES));
    const length = head.readUInt32LE(1);
    if (length > most) throw this.refusal(`a record says that it is ${length} bytes long`);
    return { kind: head.readUInt8(0), length };
  }

  async record(most: number): Promise<{ kind: number; data: Bytes }> {
    const { kind, length } = await this.head(most);
    return { kind, data: await this.take(length) };
  }

  async *parts(length: number): AsyncGenerator<Bytes> {
    for (let left = length; left > 0; left -= PART_BYTES) yield await this.take(Math.min(left, PART_BYTES));
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#more());
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#rest = value;
      if (value.length > 0) return true;
    }
  }
}
