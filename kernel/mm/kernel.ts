import type { Hal } from "../hal/types.ts";
import type { Effort } from "../lib/effort.ts";
import type { StoredId } from "../lib/ids.ts";
import type { Trace } from "../trace/define.ts";
import type { PhysicalMemoryConfig } from "./physical.ts";
import type { MmState } from "./state.ts";

/** The slice of the kernel that mm needs; the whole kernel satisfies it by structure. */
export interface MmKernel {
  readonly mm: MmState;
  readonly hal: Hal;
  readonly config: { readonly physicalMemory?: PhysicalMemoryConfig };
  readonly trace: Trace;
  /** What the current run has cost the host. */
  readonly effort: Effort;
  /** A part of fixed content that the host keeps, by its hash; shorter where the content ends. */
  readonly content: (hash: string, offset: number, length: number) => Uint8Array;
  /** A file's memory has gone: nobody has it, and nothing shows it any more. */
  readonly endStored: (file: StoredId) => void;
}
