/**
 * Assertions are for bugs of the kernel, never for what a guest or a client can cause.
 * The machine catches what they throw at its border and freezes: its state stays, it does not run again.
 */
export class KernelBug extends Error {}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new KernelBug(message);
}

/** The value of a lookup that cannot fail unless the kernel's own tables disagree. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new KernelBug(message);
  return value;
}

export function unreachable(value: never): never {
  throw new KernelBug(`unexpected case ${String(value)}`);
}
