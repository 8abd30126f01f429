/** What a state of version 4 needs to be one of version 5: a step for each thing that came, in the order they came. */
import type { AnyState } from "./migrations.ts";

export const version5: readonly ((state: AnyState) => void)[] = [];
