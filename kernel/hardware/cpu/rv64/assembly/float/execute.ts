/** The exact path of every floating-point instruction that is not a plain move: decides the rounding mode and the format. */
import * as L from "../layout";
import { Stop, illegalInstruction, imm, rd, rs1, rs2, rs3 } from "../state";
import { add, divide, fused, multiply, squareRoot } from "./arithmetic";
import { classify, compare, convertFormat, fromInteger, injectSign, pick, toInteger } from "./convert";

export function executeFloat(p: i32): Stop {
  const w = imm(p);
  const opcode = (w >> 2) & 31;
  const double = <bool>((w >> 25) & 1);
  const a = <u64>rs1(p), b = <u64>rs2(p);
  const f3 = (w >> 12) & 7;
  // Instructions that do not round use the field for something else.
  if (opcode == 0x14) {
    switch (w >>> 27) {
      case 0x04: rd(p, <i64>injectSign(a, b, f3, double)); return Stop.None;
      case 0x05: rd(p, <i64>pick(a, b, f3 == 1, double)); return Stop.None;
      case 0x14: rd(p, compare(a, b, f3, double)); return Stop.None;
      case 0x1c: rd(p, classify(a, double)); return Stop.None;
      default:
    }
  }
  const mode = f3 == 7 ? <i32>(load<u32>(L.FCSR) >> 5) : f3;
  if (mode > 4) return illegalInstruction(w);
  if (opcode != 0x14) {
    // FMADD, FMSUB, FNMSUB, FNMADD by the two low bits.
    const negateProduct = (opcode & 2) != 0;
    const negateAddend = opcode == 0x11 || opcode == 0x13;
    rd(p, <i64>fused(a, b, <u64>rs3(p), negateProduct, negateAddend, mode, double));
    return Stop.None;
  }
  const kind = (w >> 20) & 3;
  switch (w >>> 27) {
    case 0x00: rd(p, <i64>add(a, b, false, mode, double)); break;
    case 0x01: rd(p, <i64>add(a, b, true, mode, double)); break;
    case 0x02: rd(p, <i64>multiply(a, b, mode, double)); break;
    case 0x03: rd(p, <i64>divide(a, b, mode, double)); break;
    case 0x0b: rd(p, <i64>squareRoot(a, mode, double)); break;
    case 0x08: rd(p, <i64>convertFormat(a, mode, double)); break;
    case 0x18: rd(p, toInteger(a, !(kind & 1), kind & 2 ? 64 : 32, mode, double)); break;
    default: {
      const value = kind == 0 ? <i64><i32>a : kind == 1 ? <i64>a & 0xffffffff : <i64>a;
      rd(p, <i64>fromInteger(value, !(kind & 1), mode, double));
    }
  }
  return Stop.None;
}
