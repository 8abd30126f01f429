/**
 * Checks that a value is plain state, so that the codec saves all of it and a restored machine cannot differ.
 *
 * Plain is: null, boolean, number, bigint, string, dense array, record (a `{}` with data properties), `Map` with
 * scalar keys, typed array. And the whole is a tree: nothing is reachable twice, references are ids. Two places
 * holding one object would come back as two objects, and a write through one would no longer show in the other.
 *
 * `undefined` is not plain: say null. Names that read like integers are refused, because a record lists those first
 * and in numeric order while the state's own order was another one; a table keyed by id is a Map.
 */
export class NotPlainError extends Error {
  /** Where in the value, for example `threads.get(3).wait`. */
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string) {
    super(`${path === "" ? "the value" : path} ${reason}`);
    this.name = "NotPlainError";
    this.path = path;
    this.reason = reason;
  }
}

/** How deep plain values may nest, for the codec too. */
export const plainDepth = 100;

interface Walk {
  /** Every object met so far, and where. */
  readonly seen: Map<object, string>;
}

/** Throws NotPlainError at the first thing that is not plain. */
export function assertPlain(value: unknown, path = ""): void {
  check(value, path, 0, { seen: new Map() });
}

const scalars: readonly string[] = ["boolean", "number", "bigint", "string"];
const isScalar = (value: unknown): boolean => value === null || scalars.includes(typeof value);

function check(value: unknown, path: string, depth: number, walk: Walk): void {
  if (isScalar(value)) return;
  if (typeof value !== "object")
    throw new NotPlainError(path, `is ${value === undefined ? "undefined" : `a ${typeof value}`}`);
  const object = value as object;
  const first = walk.seen.get(object);
  if (first !== undefined) throw new NotPlainError(path, `is the same object as ${first === "" ? "the root" : first}`);
  walk.seen.set(object, path);
  if (depth >= plainDepth) throw new NotPlainError(path, `nests deeper than ${plainDepth} levels`);
  if (ArrayBuffer.isView(object)) checkView(object, path, walk);
  else if (Array.isArray(object)) checkArray(object, path, depth, walk);
  else if (object instanceof Map) checkMap(object, path, depth, walk);
  else checkRecord(object, path, depth, walk);
}

const viewPrototypes: readonly object[] = [
  Int8Array.prototype,
  Uint8Array.prototype,
  Uint8ClampedArray.prototype,
  Int16Array.prototype,
  Uint16Array.prototype,
  Int32Array.prototype,
  Uint32Array.prototype,
  Float32Array.prototype,
  Float64Array.prototype,
  BigInt64Array.prototype,
  BigUint64Array.prototype,
];

function checkView(view: ArrayBufferView, path: string, walk: Walk): void {
  if (!viewPrototypes.includes(Object.getPrototypeOf(view))) throw new NotPlainError(path, `is ${describe(view)}`);
  const { buffer } = view;
  const first = walk.seen.get(buffer);
  if (first !== undefined) throw new NotPlainError(path, `shares its buffer with ${first}`);
  walk.seen.set(buffer, path);
  const named = Reflect.ownKeys(view).length - (view as Uint8Array).length;
  if (named !== 0) throw new NotPlainError(path, "is a typed array with properties of its own");
}

function checkArray(array: readonly unknown[], path: string, depth: number, walk: Walk): void {
  if (Object.getPrototypeOf(array) !== Array.prototype) throw new NotPlainError(path, `is ${describe(array)}`);
  for (let i = 0; i < array.length; i++) {
    if (!Object.hasOwn(array, i)) throw new NotPlainError(`${path}[${i}]`, "is a hole");
    check(dataOf(array, String(i), `${path}[${i}]`), `${path}[${i}]`, depth + 1, walk);
  }
  // Elements and "length" are all that an array owns.
  if (Reflect.ownKeys(array).length !== array.length + 1)
    throw new NotPlainError(path, "is an array with named properties");
}

function checkMap(map: ReadonlyMap<unknown, unknown>, path: string, depth: number, walk: Walk): void {
  if (Object.getPrototypeOf(map) !== Map.prototype) throw new NotPlainError(path, `is ${describe(map)}`);
  if (Reflect.ownKeys(map).length > 0) throw new NotPlainError(path, "is a Map with properties of its own");
  for (const [key, value] of map) {
    if (!isScalar(key)) throw new NotPlainError(path, "is a Map with a key that is not a scalar");
    const place = `${path}.get(${typeof key === "string" ? JSON.stringify(key) : typeof key === "bigint" ? `${key}n` : key})`;
    check(value, place, depth + 1, walk);
  }
}

const integerLike = /^(0|[1-9][0-9]*)$/;

function checkRecord(record: object, path: string, depth: number, walk: Walk): void {
  if (Object.getPrototypeOf(record) !== Object.prototype) throw new NotPlainError(path, `is ${describe(record)}`);
  for (const key of Reflect.ownKeys(record)) {
    if (typeof key === "symbol") throw new NotPlainError(path, "has a property named by a symbol");
    const place = path === "" ? key : `${path}.${key}`;
    if (key === "__proto__") throw new NotPlainError(place, "cannot be a name of plain state");
    if (integerLike.test(key))
      throw new NotPlainError(place, "is named like an index: a table keyed by number is a Map");
    check(dataOf(record, key, place), place, depth + 1, walk);
  }
}

/** The value of a property that holds one; reading it must not run code, nor may it be hidden from enumeration. */
function dataOf(owner: object, key: string, path: string): unknown {
  const property = Object.getOwnPropertyDescriptor(owner, key)!;
  if (!("value" in property)) throw new NotPlainError(path, "is an accessor property");
  if (!property.enumerable) throw new NotPlainError(path, "is not enumerable");
  return property.value;
}

function describe(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return "an object without a prototype";
  const maker: unknown = (prototype as { constructor?: unknown }).constructor;
  const name = typeof maker === "function" ? maker.name : "";
  return name === "" ? "an object with a prototype of its own" : `an instance of ${name}`;
}
