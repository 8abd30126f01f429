/** virtio over MMIO: negotiation, rings, and what becomes of drivers that break the rules. */
import { expect, test } from "vitest";
import { assertPlain } from "../../../kernel/lib/plain.ts";
import { Driver } from "./driver.ts";
import { ramBase, rig } from "./rig.ts";

const data = 0x8000;
/** Without disks: network, entropy, console. */
const [net, entropy, console] = [0, 1, 2];
const needsReset = 64;

test("a driver finds its device and its version", () => {
  const driver = new Driver(rig(), net);
  expect([0, 4, 8].map(driver.read)).toEqual([0x7472_6976, 2, 1]);
  expect(new Driver(rig(), 7).read(8)).toBe(0);
  expect(rig().read(driver.base, 1)).toBeNaN();
});

test("features are taken when they were offered, with those of version 1", () => {
  const driver = new Driver(rig(), net);
  expect(driver.negotiate(1 << 5)).toBe(11);
  expect(driver.negotiate(1 << 3)).toBe(3);
  driver.write(0x70, 0);
  driver.write(0x70, 11);
  expect(driver.read(0x70)).toBe(3);
  driver.write(0x14, 1);
  expect(driver.read(0x10)).toBe(1);
});

test("a request is served some time after the notification, and interrupts", () => {
  const r = rig();
  const driver = new Driver(r, entropy);
  driver.start();
  driver.post([{ address: ramBase + data, length: 32, writable: true }]);
  expect(driver.returned()).toEqual([]);
  r.pass(10_000);
  expect(driver.returned()).toEqual([{ head: 0, written: 32 }]);
  expect(r.ram.bytes.subarray(data, data + 32).some((byte) => byte !== 0)).toBe(true);
  expect([...r.ram.written].sort()).toEqual([1, data / 4096]);
  expect(driver.read(0x60)).toBe(1);
  expect((r.state.plic.raised[0]! >>> 2) & 1).toBe(1);
  driver.write(0x64, 1);
  expect([driver.read(0x60), r.state.plic.raised[0]]).toEqual([0, 0]);
});

test("no interrupt when the driver wants none", () => {
  const r = rig();
  const driver = new Driver(r, entropy);
  driver.start();
  driver.view.setUint16(0x1400, 1, true);
  driver.post([{ address: ramBase + data, length: 1, writable: true }]);
  r.pass(10_000);
  expect([driver.returned().length, driver.read(0x60)]).toEqual([1, 0]);
});

test("descriptors may be in a table of their own", () => {
  const r = rig();
  const driver = new Driver(r, entropy);
  driver.start();
  const table = 0x6000;
  for (const [index, length] of [5, 7].entries()) {
    driver.view.setBigUint64(table + 16 * index, BigInt(ramBase + data + 0x100 * index), true);
    driver.view.setUint32(table + 16 * index + 8, length, true);
    driver.view.setUint16(table + 16 * index + 12, index === 0 ? 3 : 2, true);
    driver.view.setUint16(table + 16 * index + 14, 1, true);
  }
  driver.describe(3, { address: ramBase + table, length: 32, writable: false }, null, 4);
  driver.offer(3);
  r.pass(10_000);
  expect(driver.returned()).toEqual([{ head: 3, written: 12 }]);
});

const broken: Record<string, (driver: Driver) => void> = {
  "a chain that leads in a circle": (driver) => {
    driver.describe(0, { address: ramBase + data, length: 1, writable: true }, 1);
    driver.describe(1, { address: ramBase + data, length: 1, writable: true }, 0);
    driver.offer(0);
  },
  "a descriptor that does not exist": (driver) => driver.offer(99),
  "a chain that leads to no descriptor": (driver) => {
    driver.describe(0, { address: ramBase + data, length: 1, writable: true }, 77);
    driver.offer(0);
  },
  "a buffer outside RAM": (driver) => driver.post([{ address: 0x1000, length: 16, writable: true }]),
  "a buffer over the end of RAM": (driver) =>
    driver.post([{ address: ramBase + 256 * 4096 - 8, length: 16, writable: true }]),
  "an address with high bits": (driver) => {
    driver.describe(0, { address: 0, length: 16, writable: true }, null);
    driver.view.setBigUint64(0x1000, 0xffff_ffff_8000_0000n, true);
    driver.offer(0);
  },
  "more bytes than a request may have": (driver) =>
    driver.post(Array.from({ length: 8 }, () => ({ address: ramBase, length: 255 * 4096, writable: true }))),
  "a buffer to read behind one to write": (driver) =>
    driver.post([
      { address: ramBase + data, length: 4, writable: true },
      { address: ramBase + data, length: 4, writable: false },
    ]),
  "a table in a table": (driver) => {
    const table = 0x6000;
    driver.view.setBigUint64(table, BigInt(ramBase + table), true);
    driver.view.setUint32(table + 8, 16, true);
    driver.view.setUint16(table + 12, 4, true);
    driver.describe(0, { address: ramBase + table, length: 16, writable: false }, null, 4);
    driver.offer(0);
  },
  "more available than the ring holds": (driver) => {
    driver.view.setUint16(0x1402, 500, true);
    driver.write(0x50, 0);
  },
};

test.each(Object.keys(broken))("%s ends in NEEDS_RESET, and a reset mends it", (name) => {
  const r = rig();
  const driver = new Driver(r, entropy);
  driver.start();
  broken[name]!(driver);
  r.pass(100_000);
  expect([driver.read(0x70) & needsReset, driver.read(0x60), driver.returned()]).toEqual([needsReset, 2, []]);
  driver.write(0x70, 15);
  expect(driver.read(0x70) & needsReset).toBe(needsReset);
  r.ram.bytes.fill(0, 0x1000, 0x2000);
  const again = new Driver(r, entropy);
  again.start();
  again.post([{ address: ramBase + data, length: 3, writable: true }]);
  r.pass(10_000);
  expect(again.returned()).toEqual([{ head: 0, written: 3 }]);
});

test("a reset forgets requests that were under way", () => {
  const r = rig();
  const driver = new Driver(r, entropy);
  driver.start();
  driver.post([{ address: ramBase + data, length: 4, writable: true }]);
  driver.write(0x70, 0);
  expect(r.clock.events).toEqual([]);
  r.pass(100_000);
  expect(driver.returned()).toEqual([]);
});

test("the console device sends, and receives when it is the one at the line", () => {
  const r = rig({ console: "virtio" });
  const receive = new Driver(r, console, 0, 0x1000);
  receive.negotiate();
  receive.setUp();
  const transmit = new Driver(r, console, 1, 0x2000);
  transmit.setUp();
  receive.write(0x70, 15);
  r.ram.bytes.set(Buffer.from("out"), data);
  transmit.post([{ address: ramBase + data, length: 3, writable: false }]);
  r.pass(10_000);
  expect([r.text(), transmit.returned().length]).toEqual(["out", 1]);
  receive.post([{ address: ramBase + data, length: 2, writable: true }]);
  r.pass(10_000);
  expect(receive.returned()).toEqual([]);
  r.type("in!");
  r.pass(10_000);
  expect(receive.returned()).toEqual([{ head: 0, written: 2 }]);
  expect(Buffer.from(r.ram.bytes.subarray(data, data + 2)).toString()).toBe("in");
  receive.post([{ address: ramBase + data, length: 2, writable: true }]);
  r.pass(10_000);
  expect(receive.returned()).toEqual([{ head: 0, written: 1 }]);
});

test("the state of a board is plain", () => {
  const r = rig({ disks: [{ image: null, bytes: 8192, readOnly: false }] });
  const driver = new Driver(r, 1);
  driver.start();
  assertPlain(r.state);
});

test("what is looked at for long chains and large tables is bounded, and spent as effort", () => {
  const r = rig();
  const driver = new Driver(r, entropy);
  driver.start();
  // A table that claims to be most of RAM, and 1024 empty descriptors in it.
  const table = 0x8000;
  for (let index = 0; index < 1023; index++) {
    driver.view.setBigUint64(table + 16 * index, BigInt(ramBase), true);
    driver.view.setUint32(table + 16 * index + 12, 1 | ((index + 1) << 16), true);
  }
  driver.describe(0, { address: ramBase + table, length: 0xf0000, writable: false }, null, 4);
  let asked = 0;
  r.ram.isPresent = () => {
    asked += 1;
    return true;
  };
  driver.offer(0);
  r.effort.spent = 0;
  expect(r.board.absentAhead()).toEqual([]);
  expect(asked).toBeLessThan(20);
  // Thousands of words, some 100 ns each.
  expect(r.effort.spent).toBeGreaterThan(200_000);
});
