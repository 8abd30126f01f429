/** What the network device's cable leads to. */
export interface NetworkSpec {
  /** The one host of gateway.ts, or whoever takes and sends the frames, outside. */
  cable: "responder" | "frames";
  /** Six bytes in hexadecimal, with colons between them. */
  mac: string;
}

export interface NetworkState {
  cable: NetworkSpec["cable"];
  mac: Uint8Array;
  /** What is on its way to the machine's network device, oldest frame first. */
  incoming: Uint8Array[];
  /** Frames that the machine sent, that came for it, and that had no room. */
  sent: number;
  received: number;
  dropped: number;
}

/** The device's address where a spec names none. */
export const defaultMac = "52:54:00:12:34:56";

/** A board without a network device has the state, too: nothing reads it. */
export const initNetwork = (spec: NetworkSpec | null): NetworkState => ({
  cable: spec?.cable ?? "responder",
  mac: Uint8Array.from((spec?.mac ?? defaultMac).split(":"), (byte) => Number.parseInt(byte, 16)),
  incoming: [],
  sent: 0,
  received: 0,
  dropped: 0,
});
