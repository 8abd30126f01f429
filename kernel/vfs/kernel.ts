import type { ThreadKernel } from "../thread/kernel.ts";
import type { FilesState } from "./state.ts";

export interface FileKernel extends ThreadKernel {
  readonly files: FilesState;
  readonly config: ThreadKernel["config"] & { readonly limits: { readonly openFiles: number } };
}
