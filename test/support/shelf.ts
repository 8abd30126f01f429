/** Snapshots kept in memory, and machines restored from them whose pages come when they are touched. */
import { captureSnapshot, loadSnapshot, type Machine, type PageTree } from "../../kernel/index.ts";
import { forever, restoreMachine, sha256, testPorts } from "./machine.ts";

export class Shelf {
  readonly #blobs = new Map<string, Uint8Array>();
  /** Pages that restored machines could not wait for. */
  fetchedAtOnce = 0;

  capture(machine: Machine, base: PageTree | null) {
    const captured = captureSnapshot(machine, base, sha256);
    for (const { hash, data } of captured.blobs) this.#blobs.set(hash, data);
    return captured;
  }

  load(root: string): { machine: Machine; tree: PageTree } {
    const loading = loadSnapshot(root, sha256);
    while (loading.need.length > 0)
      loading.provide(new Map(loading.need.map((hash) => [hash, this.#blobs.get(hash)!])));
    const { state, tree } = loading.result();
    const fetchPages = (pages: readonly number[]): Uint8Array[] => {
      this.fetchedAtOnce += pages.length;
      return pages.map((page) => this.page(tree, page));
    };
    return { machine: restoreMachine(state, testPorts({ fetchPages }), (page) => tree.isZero(page)), tree };
  }

  page(tree: PageTree, page: number): Uint8Array {
    return this.#blobs.get(tree.pageHash(page))!;
  }

  /** Runs a restored machine to a limit, or until it stops for another reason than that or a page. */
  run(machine: Machine, tree: PageTree, limit = forever): void {
    for (;;) {
      const stop = machine.run(limit);
      if (stop.kind === "needPages") for (const page of stop.pages) machine.providePage(page, this.page(tree, page));
      else if (stop.kind !== "limit" || machine.position().instructions >= limit.instructions) return;
    }
  }
}
