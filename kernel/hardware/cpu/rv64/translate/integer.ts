/**
 * Integer instructions without memory: one row each, which leaves the result on the stack as i64. The rows are made from
 * the meanings in ../instructions/table.ts, once, so that to emit one is to call functions.
 */
import { PAGE_SIZE } from "../assembly/layout.ts";
import type { Expression } from "../instructions/expression.ts";
import type { OpName } from "../instructions/operations.ts";
import { integerInstructions, jumpInstructions, otherMeanings } from "../instructions/table.ts";
import { type Emitter, PAGE } from "./emitter.ts";
import type { Instruction } from "./records.ts";
import { Type, Wasm } from "./wasm.ts";

type Row = (e: Emitter, i: Instruction) => unknown;

/** The scratch locals of what is named so far, by name. */
type Names = ReadonlyMap<string, number>;

function rowOf(expression: Expression, names: Names = new Map()): Row {
  switch (expression.kind) {
    case "operand":
      return operandRow(expression);
    case "address":
      return addressRow(expression.of);
    case "constant": {
      const value = Number(expression.value);
      if (expression.word) return (e) => e.i32(value);
      return Number.isSafeInteger(value) ? (e) => e.i64(value) : (e) => e.i64(expression.value);
    }
    case "apply":
      return applyRow(expression, names);
    case "either":
      return eitherRow(expression, names);
    case "name": {
      const local = names.size;
      const value = rowOf(expression.value, names);
      const within = rowOf(expression.within, new Map([...names, [expression.name, local]]));
      return (e, i) => {
        value(e, i);
        e.set(e.wide(local));
        within(e, i);
      };
    }
    case "named": {
      const local = names.get(expression.name) as number;
      return (e) => e.get(e.wide(local));
    }
  }
}

/** The immediate counts from the start of the instruction's page. */
function addressRow(of: "relative" | "next"): Row {
  const distance = (i: Instruction): number =>
    of === "next" ? i.at + i.length : Math.floor(i.at / PAGE_SIZE) * PAGE_SIZE + i.imm;
  return (e, i) => e.get(PAGE).i64(distance(i)).op(Wasm.i64Add);
}

function operandRow({ from, word }: Expression & { kind: "operand" }): Row {
  if (from === "immediate") return word ? (e, i) => e.i32(i.imm) : (e, i) => e.i64(i.imm);
  return word ? (e, i) => e.readWord(i[from]) : (e, i) => e.read(i[from]);
}

function applyRow({ code, to }: Expression & { kind: "apply" }, names: Names): Row {
  const operation = Wasm[code];
  if (code === "i64Add" && to[1]?.kind === "operand" && to[1].from === "immediate") return displaced(to[0], names);
  const [first, second] = to.map((each) => rowOf(each, names)) as [Row, Row?];
  if (second === undefined)
    return (e, i) => {
      first(e, i);
      e.op(operation);
    };
  return (e, i) => {
    first(e, i);
    second(e, i);
    e.op(operation);
  };
}

/** Many distances are 0. */
function displaced(base: Expression | undefined, names: Names): Row {
  const from = rowOf(base as Expression, names);
  return (e, i) => {
    from(e, i);
    if (i.imm) e.i64(i.imm).op(Wasm.i64Add);
  };
}

function eitherRow({ condition, then, otherwise, lazy }: Expression & { kind: "either" }, names: Names): Row {
  const [test, yes, no] = [rowOf(condition, names), rowOf(then, names), rowOf(otherwise, names)];
  if (!lazy)
    return (e, i) => {
      yes(e, i);
      no(e, i);
      test(e, i);
      e.op(Wasm.select);
    };
  return (e, i) => {
    test(e, i);
    e.open(Wasm.if, Type.i64);
    yes(e, i);
    e.otherwise();
    no(e, i);
    e.close();
  };
}

export const integerRows: Partial<Record<OpName, Row>> = Object.fromEntries(
  [...otherMeanings, ...integerInstructions].map(({ op, meaning }) => [op, rowOf(meaning)]),
);

interface JumpRows {
  link: Row;
  target: Row;
}

/** What a jump leaves in rd, and where it leads. */
export const [jal, jalr] = jumpInstructions.map(({ link, target }) => ({
  link: rowOf(link),
  target: rowOf(target),
})) as [JumpRows, JumpRows];
