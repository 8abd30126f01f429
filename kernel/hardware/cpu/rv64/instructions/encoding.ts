/** How an instruction is told from others: a row of the tables in this folder, whatever else a row says. */
import type { Form } from "./form.ts";
import type { OpName } from "./operations.ts";

export interface Encoding {
  /** What it does. Several may do the same, on other registers or at another length. */
  op: OpName;
  mnemonic: string;
  form: Form;
  /** An instruction is this one if its bits in `mask` are `match`, and it is none of the rows before. */
  mask: number;
  match: number;
  /** And not all of these are 0. */
  nonzero?: number;
}

export const FUNCT3 = 0x7000;
export const FUNCT7 = 0x7f << 25;
export const RS2 = 0x1f << 20;

/** Of 32 bits. */
export const encoding = (op: OpName, mnemonic: string, form: Form, mask: number, match: number): Encoding => ({
  op,
  mnemonic,
  form,
  mask: mask | 0x7f,
  match: match | 0,
});

/** The rows again, by what tells them apart: a group of bits that all of them look at, or one after the other. */
export type Tree =
  | { kind: "rows"; rows: readonly Encoding[] }
  | { kind: "switch"; from: number; width: number; cases: ReadonlyMap<number, Tree> };

const trailingZeros = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** The bits in `tested` are known to be what the rows ask for. */
export function treeOf(rows: readonly Encoding[], tested: number): Tree {
  const common = rows.reduce((bits, { mask }) => bits & mask, ~tested);
  if (rows.length === 1 || common === 0) return { kind: "rows", rows };
  const from = trailingZeros(common);
  const above = ~(common >>> from);
  const width = above === 0 ? 32 : trailingZeros(above);
  const groups = new Map<number, Encoding[]>();
  for (const row of rows) {
    const value = fieldOf(row.match, from, width);
    groups.set(value, [...(groups.get(value) ?? []), row]);
  }
  const now = tested | ((2 ** width - 1) << from);
  return { kind: "switch", from, width, cases: new Map([...groups].map(([value, of]) => [value, treeOf(of, now)])) };
}

const fieldOf = (bits: number, from: number, width: number): number => (bits >>> from) & (2 ** width - 1);

export function find(tree: Tree, bits: number): Encoding | undefined {
  if (tree.kind === "rows") return tree.rows.find((row) => matches(row, bits));
  const within = tree.cases.get(fieldOf(bits, tree.from, tree.width));
  return within && find(within, bits);
}

const matches = ({ mask, match, nonzero }: Encoding, bits: number): boolean =>
  (bits & mask) === match && (nonzero === undefined || (bits & nonzero) !== 0);
