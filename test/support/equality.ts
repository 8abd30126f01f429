/**
 * Arrays of whole numbers are compared as bytes. What the library does for each element takes half a second a MiB,
 * and states of machines are compared in hundreds of places.
 */
import { expect } from "vitest";

const whole = [Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, BigUint64Array, BigInt64Array];
type Whole = InstanceType<(typeof whole)[number]>;

const isWhole = (value: unknown): value is Whole => whole.some((kind) => value instanceof kind);
const bytesOf = ({ buffer, byteOffset, byteLength }: Whole): Buffer => Buffer.from(buffer, byteOffset, byteLength);

expect.addEqualityTesters([
  (left: unknown, right: unknown): boolean | undefined =>
    isWhole(left) && isWhole(right) && left.constructor === right.constructor
      ? bytesOf(left).equals(bytesOf(right))
      : undefined,
]);
