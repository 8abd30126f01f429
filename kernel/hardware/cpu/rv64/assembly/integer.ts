/** Integer operations that WebAssembly does not have as one instruction. */

/** High half of the unsigned product. */
export function mulhu(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const cross = ah * bl + ((al * bl) >> 32);
  const other = al * bh + (cross & 0xffffffff);
  return ah * bh + (cross >> 32) + (other >> 32);
}

export function mulh(a: i64, b: i64): i64 {
  return <i64>mulhu(<u64>a, <u64>b) - ((a >> 63) & b) - ((b >> 63) & a);
}

export function mulhsu(a: i64, b: i64): i64 {
  return <i64>mulhu(<u64>a, <u64>b) - ((a >> 63) & b);
}

// Division by zero and overflow have defined results (unprivileged specification, M extension).
export function div(a: i64, b: i64): i64 {
  if (b == 0) return -1;
  return b == -1 ? -a : a / b;
}

export function rem(a: i64, b: i64): i64 {
  if (b == 0) return a;
  return b == -1 ? 0 : a % b;
}

export function divw(a: i32, b: i32): i32 {
  if (b == 0) return -1;
  return b == -1 ? -a : a / b;
}

export function remw(a: i32, b: i32): i32 {
  if (b == 0) return a;
  return b == -1 ? 0 : a % b;
}

/** Every byte that is not zero becomes 0xff. */
export function orcB(a: u64): u64 {
  const low: u64 = 0x7f7f7f7f7f7f7f7f;
  const top = (((a & low) + low) | a) & ~low;
  return (top >> 7) * 255;
}
