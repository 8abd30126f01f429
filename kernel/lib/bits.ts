/** Arithmetic on addresses. Addresses that were checked are numbers (below 2^53); registers are bigint. */
export const alignDown = (value: number, unit: number): number => value - (value % unit);
export const alignUp = (value: number, unit: number): number => alignDown(value + unit - 1, unit);

export const toSigned64 = (value: bigint): bigint => BigInt.asIntN(64, value);
export const toSigned32 = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const toUnsigned32 = (value: bigint): number => Number(BigInt.asUintN(32, value));

/** The value as a number; whatever a number cannot hold exactly becomes the largest that it can. */
export const saturate = (value: bigint): number =>
  value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
