/**
 * RAM as a set of 4 KiB pages that may still have to be fetched.
 *
 * A page whose PRESENT flag is clear has content that is fixed elsewhere (a snapshot's page store). Bringing it
 * in changes no state: it is as if it had always been there.
 */
import { assert } from "../../lib/assert.ts";
import { type Core, PageFlag } from "../cpu/core.ts";

const pageBytes = 4096;

export interface Ram {
  readonly pages: number;
  readonly base: number;
  isPresent(page: number): boolean;
  /** The page's bytes, fetched first if need be. For reading. */
  read(page: number): Uint8Array;
  /** The page's bytes, for writing: marked dirty, decoded code dropped. */
  write(page: number): Uint8Array;
  /** Fills with zeros; what was there need not be fetched. */
  clear(page: number): void;
  /** Bytes that were asked for; a page that is already present is left alone. */
  provide(page: number, bytes: Uint8Array): void;
}

/** Fetches bytes of pages that the kernel cannot go on without. */
export type PageSource = (pages: readonly number[]) => Uint8Array[];

export function createRam(core: Core, fetchPages: PageSource): Ram {
  const { ram, pageFlags } = core;
  const pages = Math.min(pageFlags.length, ram.length / pageBytes);
  const isPresent = (page: number): boolean => (pageFlags[page]! & PageFlag.present) !== 0;
  const view = (page: number): Uint8Array => ram.subarray(page * pageBytes, (page + 1) * pageBytes);

  const provide = (page: number, bytes: Uint8Array): void => {
    assert(bytes.length === pageBytes, "a page has 4096 bytes");
    if (isPresent(page)) return;
    view(page).set(bytes);
    pageFlags[page]! |= PageFlag.present;
  };
  const read = (page: number): Uint8Array => {
    assert(page >= 0 && page < pages, `page ${page} is outside RAM`);
    if (!isPresent(page)) provide(page, fetchPages([page])[0]!);
    return view(page);
  };

  return {
    pages,
    base: core.ramBase,
    isPresent,
    read,
    write(page) {
      const bytes = read(page);
      core.wrote(page);
      return bytes;
    },
    clear(page) {
      assert(page >= 0 && page < pages, `page ${page} is outside RAM`);
      pageFlags[page]! |= PageFlag.present;
      view(page).fill(0);
      core.wrote(page);
    },
    provide,
  };
}
