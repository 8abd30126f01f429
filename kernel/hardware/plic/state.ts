/** Interrupt sources 0 (none) to 95. */
export const sourceCount = 96;
const words = sourceCount / 32;

/** Sets of sources are words of 32 bits; contexts are numbered as in contextsOf. */
export interface PlicState {
  /** Of a source, 0 (never interrupts) to 7. */
  priority: Uint8Array;
  /** Levels of the lines from the devices. */
  raised: Uint32Array;
  pending: Uint32Array;
  /** Claimed, and not completed: its gateway lets no request through. */
  claimed: Uint32Array;
  /** A set for each context. */
  enabled: Uint32Array;
  /** Of a context: what has no higher priority does not interrupt. */
  threshold: Uint8Array;
}

/** Each hart has one for machine mode (even) and one for supervisor mode (odd). */
export const contextsOf = (harts: number): number => 2 * harts;

export const initPlic = (harts: number): PlicState => ({
  priority: new Uint8Array(sourceCount),
  raised: new Uint32Array(words),
  pending: new Uint32Array(words),
  claimed: new Uint32Array(words),
  enabled: new Uint32Array(words * contextsOf(harts)),
  threshold: new Uint8Array(contextsOf(harts)),
});
