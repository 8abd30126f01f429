/**
 * The machine's random numbers: xoshiro128** (Blackman, Vigna 2018), seeded by splitmix64. Reproducible on
 * purpose: the same seed gives the same run. Not a source of secrets.
 */
export interface RandomState {
  words: Uint32Array;
}

export function initRandom(seed: bigint): RandomState {
  const words = new Uint32Array(4);
  let state = BigInt.asUintN(64, seed);
  for (let i = 0; i < 4; i += 2) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    z ^= z >> 31n;
    words[i] = Number(z & 0xffffffffn);
    words[i + 1] = Number(z >> 32n);
  }
  if (words.every((word) => word === 0)) words[0] = 1;
  return { words };
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

export function randomU32(state: RandomState): number {
  const s = state.words;
  const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
  const t = s[1]! << 9;
  s[2]! ^= s[0]!;
  s[3]! ^= s[1]!;
  s[1]! ^= s[2]!;
  s[0]! ^= s[3]!;
  s[2]! ^= t;
  s[3] = rotate(s[3]!, 11);
  return result;
}

export function randomBytes(state: RandomState, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 4) {
    const word = randomU32(state);
    for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = word >>> (8 * j);
  }
  return bytes;
}
