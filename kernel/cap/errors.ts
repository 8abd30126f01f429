/** How operations on capabilities fail: values, in seL4's words (seL4 Reference Manual 13.0.0, sections 3.4 and 10). */

export type LookupFault =
  /** The root is no CNode. */
  | { kind: "invalidRoot" }
  /** Nothing there. `bitsLeft`: of the address, when nothing was found. */
  | { kind: "missingCapability"; bitsLeft: number }
  /** Too many or too few bits for the nodes on the way. */
  | { kind: "depthMismatch"; bitsFound: number; bitsLeft: number }
  | { kind: "guardMismatch"; guard: bigint; bitsLeft: number; guardBits: number };

export type CapabilityError =
  | { kind: "invalidArgument"; argument: number }
  /** Which capability of the call: 0 is the one it was made through. */
  | { kind: "invalidCapability"; capability: number }
  | { kind: "illegalOperation" }
  | { kind: "rangeError"; min: bigint; max: bigint }
  | { kind: "alignmentError" }
  | { kind: "failedLookup"; source: boolean; fault: LookupFault }
  | { kind: "truncatedMessage" }
  | { kind: "deleteFirst" }
  | { kind: "revokeFirst" }
  | { kind: "notEnoughMemory"; bytesLeft: number };

export type Result<T> = { ok: true; value: T } | { ok: false; error: CapabilityError };

export const done = <T>(value: T): Result<T> => ({ ok: true, value });
export const refuse = (error: CapabilityError): Result<never> => ({ ok: false, error });
