/**
 * A disk: pages of 4 KiB over an image that never changes. Pages that were written are kept outside this tree, as RAM
 * is, by content; here is only which ones they are.
 */
export interface DiskState {
  /** Its size, a multiple of 4096. */
  bytes: number;
  readOnly: boolean;
  /** Content that it had at first (zeros behind its end); null: zeros. */
  image: { content: string; size: number } | null;
  /** A bit for each page that differs from the image, or did. */
  written: Uint32Array;
  /** What its driver is told it is called. */
  serial: string;
}

export const diskPageBytes = 4096;

export interface DiskSpec {
  image: { content: string; size: number } | null;
  bytes: number;
  readOnly: boolean;
}

export const initDisk = ({ image, bytes, readOnly }: DiskSpec, index: number): DiskState => ({
  bytes,
  readOnly,
  image: image === null ? null : { ...image },
  written: new Uint32Array(Math.ceil(bytes / diskPageBytes / 32)),
  serial: `disk${index}`,
});
