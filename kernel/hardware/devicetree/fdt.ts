/** Flattened device trees (Devicetree Specification 0.4, chapter 5, format version 17): from nodes to bytes. */
import { encodeText } from "../../lib/text.ts";

/** true: present, without a value. Numbers are cells of 32 bits. */
export type PropertyValue = true | string | readonly string[] | readonly number[] | Uint8Array;

export interface TreeNode {
  /** With its unit address, for example "serial@10000000"; the root's is empty. */
  readonly name: string;
  readonly properties: Readonly<Record<string, PropertyValue>>;
  readonly children?: readonly TreeNode[];
}

const magic = 0xd00d_feed;
const version = 17;
const lastCompatibleVersion = 16;
const headerBytes = 40;
/** The list of reserved memory has its end only. */
const reservationBytes = 16;
const Token = { beginNode: 1, endNode: 2, property: 3, end: 9 } as const;

/** An address or size of 64 bits, as two cells. */
export const cells64 = (value: number): [number, number] => [Math.floor(value / 2 ** 32), value % 2 ** 32];

/** Words and padded bytes, big-endian. */
class Block {
  readonly #bytes: number[] = [];

  word(value: number): void {
    for (let shift = 24; shift >= 0; shift -= 8) this.#bytes.push((value >>> shift) & 0xff);
  }
  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.#bytes.push(byte);
    while (this.#bytes.length % 4 !== 0) this.#bytes.push(0);
  }
  taken(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

const withEnd = (text: string): Uint8Array => encodeText(`${text}\0`);

function encodeValue(value: PropertyValue): Uint8Array {
  if (value === true) return new Uint8Array(0);
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return withEnd(value);
  if (value.length > 0 && typeof value[0] === "string") return encodeText(`${value.join("\0")}\0`);
  const block = new Block();
  for (const cell of value as readonly number[]) block.word(cell);
  return block.taken();
}

/** Names of properties, each once; a property says where its name begins. */
class Names {
  readonly #offsets = new Map<string, number>();
  #length = 0;

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.#length;
    this.#offsets.set(name, offset);
    this.#length += withEnd(name).length;
    return offset;
  }
  taken(): Uint8Array {
    return encodeText([...this.#offsets.keys()].map((name) => `${name}\0`).join(""));
  }
}

function writeNode(block: Block, names: Names, { name, properties, children = [] }: TreeNode): void {
  block.word(Token.beginNode);
  block.bytes(withEnd(name));
  for (const [property, value] of Object.entries(properties)) {
    const bytes = encodeValue(value);
    block.word(Token.property);
    block.word(bytes.length);
    block.word(names.offsetOf(property));
    block.bytes(bytes);
  }
  for (const child of children) writeNode(block, names, child);
  block.word(Token.endNode);
}

/** `extraBytes` are free at its end, for firmware that adds to the tree where it lies. */
export function flattenTree(root: TreeNode, extraBytes = 0): Uint8Array {
  const block = new Block();
  const names = new Names();
  writeNode(block, names, root);
  block.word(Token.end);
  const structure = block.taken();
  const strings = names.taken();
  const structureAt = headerBytes + reservationBytes;
  const stringsAt = structureAt + structure.length;
  const bytes = new Uint8Array(Math.ceil((stringsAt + strings.length + extraBytes) / 8) * 8);
  const header = [
    magic,
    bytes.length,
    structureAt,
    stringsAt,
    headerBytes,
    version,
    lastCompatibleVersion,
    0, // the hart that boots
    strings.length,
    structure.length,
  ];
  const view = new DataView(bytes.buffer);
  for (const [index, word] of header.entries()) view.setUint32(4 * index, word);
  bytes.set(structure, structureAt);
  bytes.set(strings, stringsAt);
  return bytes;
}
