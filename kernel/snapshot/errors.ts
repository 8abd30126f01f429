/** A snapshot that cannot be loaded. */
export class SnapshotFormatError extends Error {
  /**
   * `corrupt`: content is not what its hash or its place says. `incompatible`: made by a newer release, or too large.
   * `incomplete`: asked for the result before everything was provided.
   */
  readonly code: "corrupt" | "incompatible" | "incomplete";
  /** The blob that is to blame, or the snapshot's own name. */
  readonly hash: string;

  constructor(code: SnapshotFormatError["code"], hash: string, message: string) {
    super(message);
    this.name = "SnapshotFormatError";
    this.code = code;
    this.hash = hash;
  }
}
