/** What is on its way to the machine's network device, oldest frame first. */
export interface NetworkState {
  incoming: Uint8Array[];
  /** Frames that the machine sent, that came for it, and that had no room. */
  sent: number;
  received: number;
  dropped: number;
}

export const initNetwork = (): NetworkState => ({ incoming: [], sent: 0, received: 0, dropped: 0 });
