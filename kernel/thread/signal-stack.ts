/** The stack that handlers may have of their own (sigaltstack(2)). */
/** Where handlers run that want a stack of their own (sigaltstack(2)); without one, size is 0. */
export interface SignalStack {
  address: bigint;
  flags: number;
  size: bigint;
}

export const StackFlag = { onStack: 1, disabled: 2, autoDisarm: 0x8000_0000 } as const;
/** MINSIGSTKSZ */
export const leastStackBytes = 2048n;

/** Whether a stack pointer is in it. One that disarms itself is never in use. */
export const isOnStack = ({ address, flags, size }: SignalStack, pointer: bigint): boolean =>
  (flags & StackFlag.autoDisarm) === 0 && size !== 0n && pointer > address && pointer - address <= size;
