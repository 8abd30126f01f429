/** Two machines at the ends of their routes, side by side. Nothing of it is stored. */
import { differingPages, type PageTree, stateDifferences } from "../../../kernel/index.ts";
import type { Comparison, PageDifference } from "../protocol.ts";
import type { Resident } from "./resident.ts";
import type { Turn } from "./turns.ts";

/** Of a page, from the first byte that differs on. */
const SHOWN_BYTES = 32;

type Bytes = Uint8Array<ArrayBuffer>;

interface Side {
  resident: Resident;
  root: string;
  tree: PageTree;
  /** Encoded. */
  state: Bytes;
}

/** At most `most` differences of the state, and as many pages. Naming all pages of a machine takes a while: a turn. */
export async function compareResidents(left: Resident, right: Resident, most: number, turn: Turn): Promise<Comparison> {
  const sides = { left: await turn(() => sideOf(left)), right: await turn(() => sideOf(right)) };
  const { pages, count } = differingPages(sides.left.tree, sides.right.tree, most);
  const found = await turn(() => stateDifferences(sides.left.state, sides.right.state, most + 1));
  const differences: PageDifference[] = [];
  for (const page of pages) differences.push(await pageDifference(sides.left, sides.right, page));
  return {
    roots: { left: sides.left.root, right: sides.right.root },
    positions: { left: left.machine.position(), right: right.machine.position() },
    state: found.slice(0, most),
    more: found.length > most,
    differingPages: count,
    pages: differences,
  };
}

function sideOf(resident: Resident): Side {
  const { root, tree } = resident.name();
  return { resident, root, tree, state: resident.machine.encodeState() };
}

async function pageDifference(left: Side, right: Side, page: number): Promise<PageDifference> {
  const bytes = { left: await left.resident.readPage(page), right: await right.resident.readPage(page) };
  const offset = bytes.left.findIndex((byte, index) => byte !== bytes.right[index]);
  const shown = (all: Bytes): Bytes => all.slice(offset, offset + SHOWN_BYTES);
  return {
    page,
    physicalAddress: left.resident.physicalAddress(page),
    offset,
    left: shown(bytes.left),
    right: shown(bytes.right),
  };
}
