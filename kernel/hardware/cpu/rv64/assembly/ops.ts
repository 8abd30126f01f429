/** Operations of decoded records. The list, with what is said of it, is in ../instructions/operations.ts. */
export const enum Op {
  /* from the table: operations */
}

/* from the table: first terminator */
