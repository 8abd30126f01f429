/** How the machine was switched off, by its own doing. `code` 0: it passed. */
export interface PowerState {
  state: "on" | "off";
  code: number;
  /** The machine is to be reset as soon as the instruction that asked for it is done. */
  resetRequested: boolean;
}

export const initPower = (): PowerState => ({ state: "on", code: 0, resetRequested: false });
