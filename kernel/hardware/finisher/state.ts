/** How the machine was switched off or reset, by its own doing. */
export interface PowerState {
  /** `ending` and `resetting`: asked for by an instruction, to be done as soon as that is over. */
  state: "on" | "ending" | "resetting" | "off";
  /** 0: it passed. */
  code: number;
}

export const initPower = (): PowerState => ({ state: "on", code: 0 });
