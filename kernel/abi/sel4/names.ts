/** seL4's names of methods and errors, for clients. */
import { errorCodes } from "./invocation.ts";
import { Label } from "./labels.ts";

const prefixes: readonly (readonly [RegExp, string])[] = [
  [/^untyped/, "Untyped"],
  [/^tcb/, "TCB"],
  [/^cnode/, "CNode"],
  [/^irq/, "IRQ"],
  [/^domain/, "Domain"],
  [/^page/, "RISCVPage"],
  [/^asid/, "RISCVASID"],
];

function nameOf(key: string): string {
  for (const [pattern, prefix] of prefixes) if (pattern.test(key)) return key.replace(pattern, prefix);
  return key;
}

/** "UntypedRetype" is 1, "RISCVPageMap" is 32. */
export const methods: ReadonlyMap<string, number> = new Map(
  Object.entries(Label).map(([key, label]) => [nameOf(key), label]),
);

/** By number: "InvalidArgument" is 1. */
export const errorNames: ReadonlyMap<number, string> = new Map(
  Object.entries(errorCodes).map(([kind, code]) => [code, kind[0]!.toUpperCase() + kind.slice(1)]),
);
