/** Everything the dispatch loop leaves to a call. Each executes the instruction of record `p` completely or not at all. */
import { Op } from "./ops";
import { Stop, opOf } from "./state";
import { access } from "./memory";
import { atomic } from "./atomic";
import { csr } from "./csr";
import { executeFloat } from "./float/execute";
import { byHardware } from "./float/hardware";
import { guardedFloat, system } from "./system";

export function slow(p: i32): Stop {
  const op = opOf(p);
  if ((op >= Op.Lb && op <= Op.Sd) || (op >= Op.LwC && op <= Op.SdC)) return access(p);
  if (op == Op.Atomic) return atomic(p);
  if (op == Op.Csr) return csr(p);
  if (op == Op.System) return system(p);
  if (op == Op.FloatGuarded) return guardedFloat(p);
  return byHardware(p) ? Stop.None : executeFloat(p);
}
