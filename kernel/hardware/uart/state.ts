/** The console's serial line. Its far end is the host: `console` inputs arrive here, `console` outputs leave here. */
export interface UartState {
  /** Received and not yet read, oldest first; at most limits.consoleReceiveBytes. */
  received: Uint8Array;
  /** The far end will send no more. */
  ended: boolean;
  /** Bytes sent since the machine was created. */
  transmitted: number;
}

export const initUart = (): UartState => ({ received: new Uint8Array(0), ended: false, transmitted: 0 });
