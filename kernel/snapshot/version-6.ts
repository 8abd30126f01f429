/** What a state of version 5 needs to be one of version 6: a step for each thing that came, in the order they came. */
import type { AnyState } from "./migrations.ts";

export const version6: readonly ((state: AnyState) => void)[] = [];
