/**
 * Whether a result was rounded, for translated code while the inexact flag is clear. The result has been computed to
 * nearest and is known to be finite, and, but for sums, above the least normal number. Values of binary32 come widened:
 * their product is exact in binary64, and of their sum there the error is known.
 */

/** What has to be told of: a result `r` of `a` and `b`. A difference is a sum; a root has no `b`. */
export const enum Kind { Sum = 0, Product = 1, Quotient = 2, Root = 3 }
/** The operands are so large or small that the error of the operation could not be had exactly. */
const UNKNOWN: i32 = 2;

/** Multiplied by this, a significand falls into two halves of at most 26 bits. */
const SPLITTER: f64 = 134217729;

export function rounded(kind: i32, a: f64, b: f64, r: f64): i32 {
  switch (kind) {
    case Kind.Sum: return sumIsNot(a, b, r);
    case Kind.Product: return productIsNot(a, b, r);
    case Kind.Quotient: return productIsNot(r, b, a);
    default: return productIsNot(r, r, a);
  }
}

/** Knuth's error-free sum. */
function sumIsNot(a: f64, b: f64, r: f64): i32 {
  if (!(abs<f64>(a) < 1e300 && abs<f64>(b) < 1e300)) return UNKNOWN;
  const sum = a + b;
  const part = sum - a;
  return <i32>(sum != r || (a - (sum - part)) + (b - part) != 0);
}

/** Dekker's error-free product. */
function productIsNot(a: f64, b: f64, r: f64): i32 {
  const product = a * b;
  if (!(abs<f64>(a) < 1e290 && abs<f64>(b) < 1e290)) return UNKNOWN;
  if (!(abs<f64>(product) > 1e-250 && abs<f64>(product) < 1e300)) return UNKNOWN;
  const ta = a * SPLITTER, tb = b * SPLITTER;
  const ah = ta - (ta - a), bh = tb - (tb - b);
  const al = a - ah, bl = b - bh;
  return <i32>(product != r || al * bl - (((product - ah * bh) - al * bh) - ah * bl) != 0);
}
