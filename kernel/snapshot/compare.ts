/**
 * Where two machines differ: in their state trees, by path, and in their pages, by number and byte.
 *
 * States are walked side by side, both in the order that the codec has: names of a record sorted, entries of a map as
 * they were put in. So the first difference is the same whoever asks, and swapping the two swaps the sides alone. What a
 * walk tells is bounded by the caller; how many pages differ is always counted in full, and costs what differs, for parts
 * of two page trees that are equal have equal hashes.
 */
import { decodePlain } from "../lib/codec.ts";
import { sameHash, zeroHash } from "./hash.ts";
import { childSpan, fanOut, levelsFor, type PageNode, type PageTree, slotHash } from "./page-tree.ts";

/** A place in the state tree, `kernel.threads.tasks.get(3).name`; null where that side has nothing there. */
export interface StateDifference {
  path: string;
  left: string | null;
  right: string | null;
}

const longestText = 120;
type Compound = Record<string, unknown> | unknown[] | Map<unknown, unknown> | ArrayBufferView;
type View = ArrayBufferView & ArrayLike<number | bigint>;

/** At most `most` differences of two encoded states, in the order of the walk. */
export function stateDifferences(left: Uint8Array, right: Uint8Array, most: number): StateDifference[] {
  const found: StateDifference[] = [];
  compareValues({ found, most }, "", decodePlain(left), decodePlain(right));
  return found;
}

interface Findings {
  readonly found: StateDifference[];
  readonly most: number;
}

/** The codec bounds how deep values nest, and with it this recursion. */
function compareValues(findings: Findings, path: string, left: unknown, right: unknown): void {
  if (findings.found.length >= findings.most || Object.is(left, right)) return;
  if (!isCompound(left) || !isCompound(right) || kindOf(left) !== kindOf(right)) report(findings, path, left, right);
  else if (left instanceof Map) compareMaps(findings, path, left, right as typeof left);
  else if (ArrayBuffer.isView(left)) compareLists(findings, path, left as View, right as View);
  else if (Array.isArray(left)) compareLists(findings, path, left, right as unknown[]);
  else compareRecords(findings, path, left, right as Record<string, unknown>);
}

function compareRecords(
  findings: Findings,
  path: string,
  left: Record<string, unknown>,
  right: Record<string, unknown>,
): void {
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();
  for (const name of names) compareValues(findings, path === "" ? name : `${path}.${name}`, left[name], right[name]);
}

function compareLists(findings: Findings, path: string, left: ArrayLike<unknown>, right: ArrayLike<unknown>): void {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared && findings.found.length < findings.most; index++)
    compareValues(findings, `${path}[${index}]`, left[index], right[index]);
  if (left.length !== right.length) report(findings, `${path}.length`, left.length, right.length);
}

function compareMaps(
  findings: Findings,
  path: string,
  left: Map<unknown, unknown>,
  right: Map<unknown, unknown>,
): void {
  const before = findings.found.length;
  for (const [key, value] of left) compareValues(findings, `${path}.get(${textOf(key)})`, value, right.get(key));
  for (const [key, value] of right)
    if (!left.has(key)) compareValues(findings, `${path}.get(${textOf(key)})`, undefined, value);
  if (findings.found.length > before) return;
  // The order of entries is state: something may go through them.
  const keys = [[...left.keys()], [...right.keys()]] as const;
  const at = keys[0].findIndex((key, index) => !Object.is(key, keys[1][index]));
  if (at >= 0) report(findings, `${path}.keys()[${at}]`, keys[0][at], keys[1][at]);
}

function report({ found, most }: Findings, path: string, left: unknown, right: unknown): void {
  if (found.length < most) found.push({ path, left: sideOf(left), right: sideOf(right) });
}

const isCompound = (value: unknown): value is Compound => typeof value === "object" && value !== null;

function kindOf(value: Compound): string {
  if (value instanceof Map) return "map";
  if (Array.isArray(value)) return "array";
  return ArrayBuffer.isView(value) ? Object.prototype.toString.call(value) : "record";
}

/** Nothing is undefined in a state, so that can stand for what is not there. */
const sideOf = (value: unknown): string | null => (value === undefined ? null : textOf(value));

function textOf(value: unknown): string {
  if (typeof value === "bigint") return value < 0n ? String(value) : `0x${value.toString(16)}`;
  if (typeof value === "string") return shortened(JSON.stringify(value));
  if (!isCompound(value)) return String(value);
  if (value instanceof Map) return `a map of ${value.size}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  return shortened(`a record of ${Object.keys(value).sort().join(", ")}`);
}

const shortened = (text: string): string => (text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`);

export interface DifferingPages {
  /** Ascending, at most as many as were asked for. */
  pages: number[];
  /** How many there are. */
  count: number;
}

/** Pages whose content differs. Of machines with unequal numbers of pages, those that both have. */
export function differingPages(left: PageTree, right: PageTree, most: number): DifferingPages {
  const result: DifferingPages = { pages: [], count: 0 };
  const end = Math.min(left.pages, right.pages);
  const note = (page: number): void => {
    if (page >= end) return;
    result.count += 1;
    if (result.pages.length < most) result.pages.push(page);
  };
  const levels = [levelsFor(left.pages), levelsFor(right.pages)] as const;
  const level = Math.max(...levels);
  compareNodes(raised(left.top, levels[0], level), raised(right.top, levels[1], level), level, 0, note);
  return result;
}

/** What the walk needs of a node: a smaller tree stands in a larger one as the first child, all the way up. */
interface Branch {
  hashOf(slot: number): Uint8Array;
  child(slot: number): Branch | null;
}

function raised(node: PageNode | null, from: number, to: number): Branch | null {
  if (node === null) return null;
  if (from === to) return branchOf(node);
  const below = raised(node, from, to - 1)!;
  return { hashOf: (slot) => (slot === 0 ? node.hash : zeroHash), child: (slot) => (slot === 0 ? below : null) };
}

const branchOf = (node: PageNode): Branch => ({
  hashOf: (slot) => slotHash(node.bytes, slot),
  child(slot) {
    const child = node.children?.[slot] ?? null;
    return child === null ? null : branchOf(child);
  },
});

function compareNodes(
  left: Branch | null,
  right: Branch | null,
  level: number,
  first: number,
  note: (page: number) => void,
): void {
  for (let slot = 0; slot < fanOut; slot++) {
    if (sameHash(left?.hashOf(slot) ?? zeroHash, right?.hashOf(slot) ?? zeroHash)) continue;
    const at = first + slot * childSpan(level);
    if (level === 1) note(at);
    else compareNodes(left?.child(slot) ?? null, right?.child(slot) ?? null, level - 1, at, note);
  }
}
