/**
 * Memory as capabilities, for states from before there were pools and banks: what machines begin with now, and behind
 * it in one list all that lies in its memory, as if it had been derived from it.
 */
interface OldSlot {
  capability: { address?: number };
  previous: number | null;
  next: number | null;
  revocable: boolean;
  firstBadged: boolean;
}

export interface KernelWithoutPools {
  mm: { frames: { zones: { kind: string; first: number; end: number }[] } };
  threads: { tasks: Map<number, unknown> };
  cap: { slots: Map<number, OldSlot> };
}

const ramBase = 2 ** 31;
const pageBits = 12;
const firstPool = -(2 ** 40) - 2 ** 30;
const firstBank = -(2 ** 40) - 2 ** 33;
const banksPerTask = 128;

/** Aligned blocks of zones, those for general use first. */
function blocks({ mm }: KernelWithoutPools): { address: number; sizeBits: number; pool: "general" | "kept" }[] {
  const all = mm.frames.zones.flatMap(({ kind, first, end }) => {
    const found = [];
    for (let at = first; at < end; ) {
      let order = 0;
      while (at % 2 ** (order + 1) === 0 && at + 2 ** (order + 1) <= end) order += 1;
      const pool = kind === "persistent" ? ("kept" as const) : ("general" as const);
      found.push({ address: ramBase + at * 2 ** pageBits, sizeBits: order + pageBits, pool });
      at += 2 ** order;
    }
    return found;
  });
  return [...all.filter(({ pool }) => pool === "general"), ...all.filter(({ pool }) => pool === "kept")];
}

export function addPools(kernel: KernelWithoutPools): void {
  const { slots } = kernel.cap;
  const heads = [...slots].filter(([, { previous }]) => previous === null).map(([at]) => at);
  for (const [index, { address, sizeBits, pool }] of blocks(kernel).entries()) {
    let last = firstPool - index;
    const append = (at: number): void => {
      slots.get(last)!.next = at;
      slots.get(at)!.previous = last;
      while (slots.get(last)!.next !== null) last = slots.get(last)!.next!;
    };
    const put = (at: number, capability: object, isRoot: boolean): void =>
      void slots.set(at, { capability, previous: null, next: null, revocable: isRoot, firstBadged: isRoot });
    put(last, { type: "untyped", address, sizeBits, device: false, used: 2 ** sizeBits, pool }, true);
    // The page cache has a bank, too: as if it were task 0.
    for (const task of pool === "general" ? [0, ...kernel.threads.tasks.keys()] : []) {
      const bank = firstBank - task * banksPerTask - index;
      put(bank, { type: "bank", address, sizeBits, task }, false);
      append(bank);
    }
    for (const head of heads) {
      const at = slots.get(head)!.capability.address;
      if (at !== undefined && at >= address && at < address + 2 ** sizeBits) append(head);
    }
  }
}
