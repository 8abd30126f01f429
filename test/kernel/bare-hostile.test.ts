/**
 * Hostile guests on whole machines: firmware of random instructions in whatever mode they get to, with pointers to every
 * device, queues set up over noise, and clients that type and send frames meanwhile. The machine is never frozen, never
 * passes a limit, never grows, and is the same wherever its host cuts the run.
 */
import { expect, test } from "vitest";
import type { BoardState } from "../../kernel/hardware/board/state.ts";
import { addressMap } from "../../kernel/hardware/bus/map.ts";
import type { Machine } from "../../kernel/index.ts";
import { decodePlain } from "../../kernel/lib/codec.ts";
import { assertPlain } from "../../kernel/lib/plain.ts";
import { bType, iType, sType } from "../hardware/cpu/encode.ts";
import { instruction, POINTERS } from "../hardware/cpu/random_privileged.ts";
import { Random } from "../hardware/cpu/random_program.ts";
import { bareConfig, bareMachine } from "../support/bare.ts";

const RAM = BigInt(addressMap.ram.base);
const PAGE = 4096;
const CODE_PAGES = 4;
/** Constants that the firmware loads, and what its queues and page tables are. */
const POOL = CODE_PAGES * PAGE;
const NOISE = POOL + PAGE;
const NOISE_BYTES = 3 * PAGE;
const LIMIT = 12_000;
const [T0, T1, BASE] = [5, 6, 8];
const MRET = 0x30200073;

/** Firmware that is written from its start on, with a pool of constants. */
class Firmware {
  readonly bytes = new Uint8Array(NOISE + NOISE_BYTES);
  readonly #view = new DataView(this.bytes.buffer);
  #at = 0;
  #pool = 0;

  get at(): number {
    return this.#at;
  }

  emit(word: number): void {
    this.#view.setUint32(this.#at, word, true);
    this.#at += 4;
  }

  /** auipc t0, then ld: from where it is, wherever that is. */
  load(register: number, value: bigint): void {
    const distance = POOL + this.#pool * 8 - this.#at;
    this.emit((((distance + 0x800) >> 12) << 12) | (T0 << 7) | 0x17);
    this.emit(iType(0x03, 3, register, T0, distance & 0xfff));
    this.#view.setBigUint64(POOL + this.#pool++ * 8, BigInt.asUintN(64, value), true);
  }

  csr(number: number, value: bigint): void {
    this.load(T1, value);
    this.emit(iType(0x73, 1, 0, T1, number));
  }

  /** The rest of the code's pages. */
  fill(random: Random): void {
    while (this.#at < POOL - 4) {
      const word = instruction(random);
      this.#view.setUint32(this.#at, word, true);
      this.#at += (word & 3) === 3 ? 4 : 2;
    }
  }
}

const codeAddress = (random: Random): bigint => RAM + BigInt(random.below(CODE_PAGES * PAGE) & ~3);
const noisePage = (random: Random): bigint => RAM + BigInt(NOISE + random.below(3) * PAGE);

/** A ring of a queue that offers some chains; where they lead is noise. */
interface Offer {
  at: bigint;
  size: number;
}

/** A queue of a device, as a driver would set it up, but over anything. */
function setUpQueue(firmware: Firmware, random: Random): Offer {
  firmware.load(BASE, BigInt(addressMap.virtio.base + random.below(4) * addressMap.virtio.bytes));
  const queue = BigInt(random.below(2));
  const ring = () => noisePage(random) + BigInt(random.below(64) * 16);
  const offer = { at: ring(), size: 2 ** random.below(9) };
  const negotiation = [0x70, 0n, 0x70, 3n, 0x24, 1n, 0x20, 1n, 0x70, 11n, 0x30, queue, 0x38, BigInt(offer.size)];
  const rings = [0x80, ring(), 0x90, offer.at, 0xa0, ring(), 0x44, 1n, 0x70, 15n, 0x50, queue, 0x50, 1n - queue];
  const writes = [...negotiation, ...rings];
  for (let at = 0; at < writes.length; at += 2) {
    firmware.load(T1, writes[at + 1] as bigint);
    firmware.emit(sType(0x23, 2, BASE, T1, writes[at] as number));
  }
  return offer;
}

function makeOffer(bytes: Uint8Array, { at, size }: Offer, random: Random): void {
  const view = new DataView(bytes.buffer, Number(at - RAM));
  view.setUint16(2, random.chance(90) ? 1 + random.below(size) : random.below(65536), true);
  for (let entry = 0; entry < Math.min(size, 64); entry++) view.setUint16(4 + 2 * entry, random.below(size), true);
}

/** Traps lead past what trapped, and from where nothing can be fetched back into the code. Where it is. */
function handler(firmware: Firmware, random: Random): bigint {
  const { at } = firmware;
  const again = [iType(0x13, 0, T0, T0, -2), bType(4, T0, 0, 28), iType(0x13, 0, T1, 0, 10), bType(0, T0, T1, 20)];
  firmware.emit(bType(0, 0, 0, 56));
  firmware.emit(iType(0x73, 2, T0, 0, 0x342));
  for (const word of again) firmware.emit(word);
  // mepc, 4 more, and back.
  for (const word of [iType(0x73, 2, T0, 0, 0x341), iType(0x13, 0, T0, T0, 4), iType(0x73, 1, 0, T0, 0x341), MRET])
    firmware.emit(word);
  firmware.csr(0x341, codeAddress(random));
  firmware.emit(MRET);
  return RAM + BigInt(at + 4);
}

/** Most of the noise is descriptors that lead somewhere, the rest anything: rings, page tables. */
function makeNoise(bytes: Uint8Array, random: Random): void {
  const view = new DataView(bytes.buffer);
  for (let at = NOISE; at < bytes.length; at += 16) {
    const isDescriptor = random.chance(85);
    view.setBigUint64(at, isDescriptor ? RAM + BigInt(random.below(0x20000)) : random.u64(), true);
    view.setUint32(
      at + 8,
      isDescriptor ? random.below(random.chance(90) ? 6000 : 2 ** 31) : random.below(2 ** 31),
      true,
    );
    view.setUint16(at + 12, random.pick([0, 0, 1, 2, 2, 3, 4, random.below(65536)]), true);
    view.setUint16(at + 14, random.below(random.chance(90) ? 4 : 65536), true);
  }
}

const { finisher, rtc, clint, plic, uart, virtio } = addressMap;
const blocks = [rtc, clint, plic, uart, { base: virtio.base, bytes: 5 * virtio.bytes }];

function pointer(random: Random): bigint {
  if (random.chance(40)) return RAM + BigInt(random.below(NOISE + NOISE_BYTES));
  // Seldom: it ends the machine.
  if (random.chance(3)) return BigInt(finisher.base);
  const block = random.pick(blocks);
  return BigInt(block.base + (random.below(Math.min(block.bytes, 0x5000)) & ~7));
}

function firmwareOf(random: Random): Uint8Array {
  const firmware = new Firmware();
  const safe = handler(firmware, random);
  const offer = random.chance(80) ? setUpQueue(firmware, random) : null;
  for (const vector of [0x305, 0x105]) firmware.csr(vector, random.chance(85) ? safe : codeAddress(random));
  if (random.chance(80)) firmware.csr(0x3b0, -1n);
  if (random.chance(80)) firmware.csr(0x3a0, 0x1fn);
  const delegates = random.chance(30);
  for (const register of [0x302, 0x303, 0x304]) firmware.csr(register, delegates ? random.u64() : 0n);
  if (random.chance(40)) firmware.csr(0x180, (8n << 60n) | (noisePage(random) >> 12n));
  for (const register of POINTERS) firmware.load(register, pointer(random));
  if (random.chance(40)) {
    firmware.csr(0x341, codeAddress(random));
    firmware.csr(0x300, random.u64());
    firmware.emit(MRET);
  }
  firmware.fill(random);
  makeNoise(firmware.bytes, random);
  if (offer !== null) makeOffer(firmware.bytes, offer, random);
  return firmware.bytes;
}

interface Given {
  at: number;
  give(machine: Machine): void;
}

function visits(random: Random): Given[] {
  return Array.from({ length: 4 }, (_, index) => {
    const bytes = Uint8Array.from({ length: 14 + random.below(90) }, () => random.below(256));
    return {
      at: (index + 1) * 2000,
      give: (machine) => void machine.apply({ kind: index & 1 ? "frame" : "console", bytes }),
    };
  });
}

/** To the limit, in slices of these lengths, with visits where they belong; what it printed and sent, in bytes. */
function runTo(machine: Machine, given: readonly Given[], slice: () => number): number {
  let left = 0;
  const go = (to: number): void => {
    for (;;) {
      const { instructions } = machine.position();
      const limit = { instructions: Math.min(to, instructions + slice()), timeNs: 10_000_000 };
      const stop = machine.run(limit);
      const position = machine.position();
      expect(["limit", "idle"], JSON.stringify(stop)).toContain(stop.kind);
      expect(position.instructions).toBeLessThanOrEqual(limit.instructions);
      expect(position.timeNs).toBeLessThanOrEqual(limit.timeNs);
      for (const output of machine.drainOutputs()) left += "bytes" in output ? output.bytes.length : 0;
      if (stop.kind === "idle" || position.instructions >= to || position.timeNs >= limit.timeNs) return;
    }
  };
  for (const { at, give } of given) {
    go(at);
    give(machine);
  }
  go(LIMIT);
  return left;
}

/** The driver of some virtio device has got as far as saying that it is ready. */
function hasDriver(state: Uint8Array): boolean {
  const { hardware } = decodePlain(state) as { hardware: { bare: { board: BoardState } } };
  return hardware.bare.board.virtio.some(({ transport }) => (transport.status & 4) !== 0);
}

test("random firmware with every device at hand", () => {
  let drivers = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const random = new Random(seed);
    const disks = [{ image: null, bytes: 64 * PAGE, readOnly: false }];
    const network = { cable: "frames", mac: "52:54:00:00:00:01" } as const;
    const boot = { disks, network, harts: random.pick([1, 1, 1, 2, 3]) };
    const config = bareConfig(firmwareOf(random), boot, { memoryBytes: 8 * 2 ** 20, quantumInstructions: 300 });
    const given = visits(random);
    const whole = bareMachine(config);
    const left = runTo(whole, given, () => LIMIT);
    expect(left).toBeLessThan(LIMIT * 1514);
    const state = whole.encodeState();
    assertPlain(decodePlain(state));
    expect(state.length).toBeLessThan(200_000);
    if (hasDriver(state)) drivers += 1;
    const parts = bareMachine(config);
    expect(runTo(parts, given, () => 1 + random.below(900))).toBe(left);
    expect(parts.encodeState(), `seed ${seed}`).toEqual(state);
  }
  // It says something only if they get to the devices.
  expect(drivers).toBeGreaterThan(5);
});
