/** Per hart: its software interrupt, and when its timer interrupt is due. */
export interface ClintState {
  /** What `mtime` is ahead of virtual time, in ticks: more or less than none when somebody has written it. */
  offsetTicks: bigint;
  msip: Uint8Array;
  /** Low and high word of each hart's mtimecmp. */
  mtimecmp: Uint32Array;
}

/** No timer is set: the comparison value is the largest one. */
export const initClint = (harts: number): ClintState => ({
  offsetTicks: 0n,
  msip: new Uint8Array(harts),
  mtimecmp: new Uint32Array(2 * harts).fill(0xffff_ffff),
});
