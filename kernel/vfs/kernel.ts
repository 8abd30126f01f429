import type { CapKernel } from "../cap/kernel.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import type { FilesState } from "./state.ts";

export interface FileKernel extends ThreadKernel, CapKernel {
  readonly files: FilesState;
  readonly config: ThreadKernel["config"] & { readonly limits: { readonly openFiles: number } };
}
