/** Code of an expression, which it leaves on the stack: made once, so that to emit it is to call functions. */
import { PAGE_SIZE } from "../assembly/layout.ts";
import type { Expression } from "../instructions/expression.ts";
import { type Emitter, PAGE } from "./emitter.ts";
import type { Instruction } from "./records.ts";
import { Type, Wasm } from "./wasm.ts";

export type Row = (e: Emitter, i: Instruction) => unknown;

type Inner = (of: Expression) => Row;

/** The scratch locals of what is named so far, by name. */
export type Names = ReadonlyMap<string, number>;

export function rowOf(expression: Expression, names: Names = new Map(), operand = operandRow): Row {
  const inner = (of: Expression, known = names): Row => rowOf(of, known, operand);
  switch (expression.kind) {
    case "operand":
      return operand(expression);
    case "address":
      return addressRow(expression.of);
    case "constant": {
      const value = Number(expression.value);
      if (expression.word) return (e) => e.i32(value);
      return Number.isSafeInteger(value) ? (e) => e.i64(value) : (e) => e.i64(expression.value);
    }
    case "apply":
      return applyRow(expression, inner);
    case "either":
      return eitherRow(expression, inner);
    case "name": {
      const local = names.size;
      const value = inner(expression.value);
      const within = inner(expression.within, new Map([...names, [expression.name, local]]));
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

export type Operand = Expression & { kind: "operand" };

function operandRow({ from, as }: Operand): Row {
  if (from === "immediate") return as === "i32" ? (e, i) => e.i32(i.imm) : (e, i) => e.i64(i.imm);
  if (as === "f64") return (e, i) => e.readDouble(i[from]);
  if (as === "f32") return (e, i) => e.readSingle(i[from]);
  return as === "i32" ? (e, i) => e.readWord(i[from]) : (e, i) => e.read(i[from]);
}

function applyRow({ code, to }: Expression & { kind: "apply" }, inner: Inner): Row {
  const operation = Wasm[code];
  if (code === "i64Add" && to[1]?.kind === "operand" && to[1].from === "immediate")
    return displaced(inner(to[0] as Expression));
  const [first, second] = to.map((each) => inner(each)) as [Row, Row?];
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
function displaced(from: Row): Row {
  return (e, i) => {
    from(e, i);
    if (i.imm) e.i64(i.imm).op(Wasm.i64Add);
  };
}

function eitherRow({ condition, then, otherwise, lazy }: Expression & { kind: "either" }, inner: Inner): Row {
  const [test, yes, no] = [inner(condition), inner(then), inner(otherwise)];
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
