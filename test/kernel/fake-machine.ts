/** A machine that has only what the snapshot code looks at: RAM with flags, and a state to encode. */
import { createHash } from "node:crypto";
import { encodePlain } from "../../kernel/lib/codec.ts";
import type { Machine, MachineMemory } from "../../kernel/machine/face.ts";
import { migrations } from "../../kernel/snapshot/migrations.ts";

/** The version that a state has now: nothing is to be migrated. */
export const stateVersion = migrations.length + 1;

export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

/** SHA-256 that counts what it was given. */
export function countingSha256() {
  const counter = {
    calls: 0,
    sha256(bytes: Uint8Array): Uint8Array {
      counter.calls += 1;
      return sha256(bytes);
    },
  };
  return counter;
}

export class FakeMemory implements MachineMemory {
  readonly pages: number;
  readonly pageBytes = 4096;
  readonly bytes: Uint8Array;
  readonly present: boolean[];
  readonly dirty: boolean[];
  needsBase = false;

  constructor(pages: number) {
    this.pages = pages;
    this.bytes = new Uint8Array(pages * 4096);
    this.present = new Array<boolean>(pages).fill(true);
    this.dirty = new Array<boolean>(pages).fill(false);
  }

  isPresent = (page: number): boolean => this.present[page]!;
  isDirty = (page: number): boolean => this.dirty[page]!;
  dirtyPages = (): number[] => [...this.dirty.keys()].filter(this.isDirty);
  readonly diskPagesHeld = 0;
  get flags(): Uint8Array {
    return Uint8Array.from(this.present, (present, page) => (present ? 1 : 0) + (this.dirty[page] ? 2 : 0));
  }
  page(page: number): Uint8Array {
    if (!this.present[page]) throw new Error(`page ${page} was read although it is absent`);
    return this.bytes.subarray(page * 4096, (page + 1) * 4096);
  }
  clearDirty(): void {
    this.needsBase = true;
    this.dirty.fill(false);
  }
  /** Fills a page with bytes made from a number; 0 clears it. */
  write(page: number, value: number): void {
    this.present[page] = true;
    this.dirty[page] = true;
    this.page(page).fill(value & 0xff);
    if (value !== 0) new DataView(this.bytes.buffer, page * 4096).setUint32(0, value);
  }
}

export interface FakeMachine extends Machine {
  memory: FakeMemory;
  state: Record<string, unknown>;
}

export function fakeMachine(pages: number, memory = new FakeMemory(pages)): FakeMachine {
  const machine = {
    memory,
    state: { version: stateVersion, counter: 0 },
    encodeState: () => encodePlain(machine.state),
  };
  return machine as unknown as FakeMachine;
}
