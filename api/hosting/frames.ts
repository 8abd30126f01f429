/**
 * The last frames that a machine sent, for those who follow its network. In memory only: what is no longer here is lost for
 * a follower, as on any network; who wants it all the same has the event `network.send` of a trace.
 */
import type { Output } from "../../kernel/index.ts";

export type SentFrame = Extract<Output, { kind: "frame" }>;

const TAIL_BYTES = 256 * 1024;
/** What a frame costs beside its bytes. */
const FRAME_COST = 128;

const costOf = ({ bytes }: SentFrame): number => bytes.length + FRAME_COST;

export class FrameTail {
  #frames: SentFrame[] = [];
  #bytes = 0;

  add(frame: SentFrame): void {
    if (this.#frames.length > 0 && this.#frames.at(-1)!.sequence + 1 !== frame.sequence) this.#clear();
    this.#frames.push(frame);
    this.#bytes += costOf(frame);
    if (this.#bytes <= TAIL_BYTES) return;
    // Half of them at once, so that each costs the same however many there are.
    const kept = this.#frames.slice(this.#frames.length >> 1);
    this.#clear();
    this.#frames = kept;
    this.#bytes = kept.reduce((sum, each) => sum + costOf(each), 0);
  }

  /** Frames from `sequence` on, of `sent` in all, and how many before them are no longer here. */
  from(sequence: number, sent: number): { missed: number; frames: SentFrame[] } {
    const first = this.#frames[0]?.sequence ?? sent + 1;
    return {
      missed: Math.max(0, first - sequence),
      frames: this.#frames.slice(Math.max(0, sequence - first)),
    };
  }

  #clear(): void {
    this.#frames = [];
    this.#bytes = 0;
  }
}
