/**
 * Devices in the physical address space, reached by functions that the host gives. A device register is accessed whole
 * and aligned, once per instruction. The host tells two things during an access by words of the control block:
 * nobody answers there (BUS_FAULT), and the run has to stop behind this instruction (ATTENTION).
 */
import * as L from "./layout";
import { Stop } from "./state";
import { accessDone } from "./tables";

// @ts-ignore: decorator
@external("env", "busRead")
declare function busRead(address: f64, size: i32): i64;
// @ts-ignore: decorator
@external("env", "busWrite")
declare function busWrite(address: f64, size: i32, value: i64): void;

/** What the last `readDevice` read, in its low bits; the others are anything. */
let value: i64 = 0;

// @ts-ignore: decorator
@inline export function deviceValue(): i64 { return value; }

/** Whether a device can be asked for `size` bytes there: aligned, and at an address that the host's numbers can hold. */
function isRegister(address: u64, size: i32): bool {
  return !(address & (size - 1)) && address < 1 << 53;
}

/** Reads the register that DEVICE_ADDRESS names; true when something answered. */
export function readDevice(size: i32): bool {
  const address = load<u64>(L.DEVICE_ADDRESS);
  if (!isRegister(address, size)) return false;
  store<u32>(L.BUS_FAULT, 0);
  value = busRead(<f64>address, size);
  return !load<u32>(L.BUS_FAULT);
}

export function writeDevice(size: i32, data: i64): bool {
  const address = load<u64>(L.DEVICE_ADDRESS);
  if (!isRegister(address, size)) return false;
  store<u32>(L.BUS_FAULT, 0);
  busWrite(<f64>address, size, data);
  return !load<u32>(L.BUS_FAULT);
}

/** How an instruction that has accessed a device ends. */
export function deviceDone(): Stop {
  return load<u32>(L.ATTENTION) ? Stop.Attention : accessDone(false);
}
