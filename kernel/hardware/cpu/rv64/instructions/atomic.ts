/**
 * The A extension: unprivileged specification, chapter 14. What holds of reservations, and why acquire and release need
 * nothing, is in assembly/atomic.ts.
 */
import { type Encoding, encoding, FUNCT3, RS2 } from "./encoding.ts";
import { apply, type Code, type Expression, select } from "./expression.ts";
import { forms } from "./form.ts";

export interface Atomic extends Encoding {
  kind: "reserve" | "conditional" | "combine";
  /** In bytes. */
  size: 4 | 8;
  /**
   * What memory becomes of what it `held` and of rs2 (`operand`), both extended to i64 with their signs, which keeps signed
   * and unsigned order.
   */
  combination: Expression;
}

const held: Expression = { kind: "named", name: "held" };
const operand: Expression = { kind: "named", name: "operand" };
const whichever = (comparison: Code): Expression => select(apply(comparison, held, operand), held, operand);

/** Any ordering: aq and rl are shown, and otherwise of no account. */
const FUNCT5 = 0x1f << 27;

function rows(
  mnemonic: string,
  funct5: number,
  kind: Atomic["kind"] = "combine",
  combination: Expression = operand,
): Atomic[] {
  const [form, mask] = kind === "reserve" ? [forms.reserve, RS2] : [forms.atomic, 0];
  return ([4, 8] as const).map((size) => ({
    ...encoding(
      "Atomic",
      `${mnemonic}.${size === 4 ? "w" : "d"}`,
      form,
      FUNCT5 | FUNCT3 | mask,
      (funct5 << 27) | ((size === 4 ? 2 : 3) << 12) | 0x2f,
    ),
    kind,
    size,
    combination,
  }));
}

export const atomicInstructions: readonly Atomic[] = [
  ...rows("lr", 2, "reserve"),
  ...rows("sc", 3, "conditional"),
  ...rows("amoswap", 1, "combine", operand),
  ...rows("amoadd", 0, "combine", apply("i64Add", held, operand)),
  ...rows("amoxor", 4, "combine", apply("i64Xor", held, operand)),
  ...rows("amoand", 12, "combine", apply("i64And", held, operand)),
  ...rows("amoor", 8, "combine", apply("i64Or", held, operand)),
  ...rows("amomin", 16, "combine", whichever("i64LtS")),
  ...rows("amomax", 20, "combine", whichever("i64GtS")),
  ...rows("amominu", 24, "combine", whichever("i64LtU")),
  ...rows("amomaxu", 28, "combine", whichever("i64GtU")),
];
