import type { Effort } from "../lib/effort.ts";
import type { PhysicalAddress } from "../lib/ids.ts";
import type { Trace } from "../trace/define.ts";
import type { ObjectSizes } from "./relations.ts";
import type { Capability, CapabilityOf, CapabilityType, CapState } from "./state.ts";

/** What can be made of untyped memory. */
export type ObjectType = "untyped" | "tcb" | "endpoint" | "notification" | "cnode" | "frame" | "pageTable";

/** What an object has of its own, behind its capabilities; each area gives the rows of its types. From the catalogue. */
export interface ObjectBehaviour {
  /** Makes the object's own state. Nothing for objects that are only memory and slots. */
  create(type: ObjectType, address: PhysicalAddress, sizeBits: number): void;
  /**
   * A capability is about to go; `final` if it is the last one of its object, which then ends. Slots that the
   * object has (of a CNode, of a TCB) are emptied afterwards.
   */
  finalise(capability: Capability, final: boolean): void;
}

export interface CapKernel {
  readonly cap: CapState;
  readonly trace: Trace;
  readonly effort: Effort;
  readonly objectSizes: ObjectSizes;
  readonly objects: ObjectBehaviour;
  /** Slots at the beginning of a TCB. */
  readonly tcbSlots: number;
}

export type { Capability, CapabilityOf, CapabilityType };
