/** Per hart: its software interrupt, and when its timer interrupt is due. */
export interface ClintState {
  msip: Uint8Array;
  /** Low and high word of each hart's mtimecmp. */
  mtimecmp: Uint32Array;
}

/** No timer is set: the comparison value is the largest one. */
export const initClint = (harts: number): ClintState => ({
  msip: new Uint8Array(harts),
  mtimecmp: new Uint32Array(2 * harts).fill(0xffff_ffff),
});
