/** What a state of version 6 needs to be one of version 7: a step for each thing that came, in the order they came. */

import type { AnyState } from "./migrations.ts";

export const version7: readonly ((state: AnyState) => void)[] = [];
