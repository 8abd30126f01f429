/** One split virtqueue, as the driver has set it up. */
export interface QueueState {
  size: number;
  ready: boolean;
  /** Physical addresses, low and high words: descriptor table, available ring, used ring. */
  descriptors: [number, number];
  available: [number, number];
  used: [number, number];
  /** Counts modulo 2^16: entries taken from the available ring, and put into the used ring. */
  taken: number;
  returned: number;
  /** The device will look for a request here, at a time that is on the clock. */
  scheduled: boolean;
  /** Virtual time at which the device is done with the last request. */
  busyUntilNs: number;
}

/** A transport's registers, and its device's own state. */
export interface VirtioState {
  deviceFeaturesPage: number;
  driverFeaturesPage: number;
  /** What the driver accepted, low and high word. */
  driverFeatures: [number, number];
  status: number;
  interruptStatus: number;
  /** Counts changes of the configuration space. */
  generation: number;
  selectedQueue: number;
  queues: QueueState[];
}

export const initQueue = (): QueueState => ({
  size: 0,
  ready: false,
  descriptors: [0, 0],
  available: [0, 0],
  used: [0, 0],
  taken: 0,
  returned: 0,
  scheduled: false,
  busyUntilNs: 0,
});

export const initVirtio = (queues: number): VirtioState => ({
  deviceFeaturesPage: 0,
  driverFeaturesPage: 0,
  driverFeatures: [0, 0],
  status: 0,
  interruptStatus: 0,
  generation: 0,
  selectedQueue: 0,
  queues: Array.from({ length: queues }, initQueue),
});
