/**
 * The exact path of every floating-point instruction that is not a plain move. Which function of arithmetic.ts and convert.ts
 * an instruction is, is said in ../../instructions/float.ts.
 */
import * as L from "../layout";
import { Stop, illegalInstruction, imm, rd, rs1, rs1w, rs2, rs3 } from "../state";
import { add, divide, fused, multiply, squareRoot } from "./arithmetic";
import { classify, compare, convertFormat, fromInteger, injectSign, pick, toInteger } from "./convert";

function done(p: i32, value: i64): Stop {
  rd(p, value);
  return Stop.None;
}

export function executeFloat(p: i32): Stop {
  const w = imm(p);
  const field = (w >> 12) & 7;
  const mode = field == 7 ? <i32>(load<u32>(L.FCSR) >> 5) : field;
  /* from the table: exact operations */
  return illegalInstruction(w);
}
