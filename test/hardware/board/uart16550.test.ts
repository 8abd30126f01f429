/** The 16550A against its data sheet. */
import { beforeEach, expect, test } from "vitest";
import { addressMap } from "../../../kernel/hardware/bus/map.ts";
import { type Rig, rig } from "./rig.ts";

const { base, irq } = addressMap.uart;
const reg = { data: 0, ier: 1, iir: 2, lcr: 3, mcr: 4, lsr: 5, msr: 6, scr: 7 };
let r: Rig;
const get = (name: keyof typeof reg): number => r.read(base + reg[name], 1);
const put = (name: keyof typeof reg, value: number): boolean => r.write(base + reg[name], value, 1);
/** The UART's line at the interrupt controller. */
const raised = (): boolean => ((r.state.plic.raised[0]! >>> irq) & 1) !== 0;

beforeEach(() => {
  r = rig();
});

test("sends at once, and its transmitter is always empty", () => {
  for (const byte of Buffer.from("hello")) put("data", byte);
  expect(r.text()).toBe("hello");
  expect(get("lsr")).toBe(0x60);
});

test("without FIFOs holds one byte; the rest waits on the line", () => {
  r.type("abc");
  expect(get("lsr") & 1).toBe(1);
  expect([get("data"), get("data"), get("data")].map((byte) => String.fromCharCode(byte)).join("")).toBe("abc");
  expect(get("lsr") & 1).toBe(0);
  expect(get("data")).toBe(0);
});

test("FIFOs interrupt at the trigger level, and after a time-out below it", () => {
  put("iir", 0x81); // on, trigger at 8
  put("ier", 1);
  r.type("1234567");
  expect([get("iir"), raised()]).toEqual([0xc1, false]);
  r.type("8");
  expect([get("iir"), raised()]).toEqual([0xc4, true]);
  get("data");
  expect([get("iir"), raised()]).toEqual([0xc1, false]);
  r.pass(10_000_000);
  expect([get("iir"), raised()]).toEqual([0xcc, true]);
  get("data");
  expect(get("iir")).toBe(0xc1);
  r.pass(10_000_000);
  expect(get("iir")).toBe(0xcc);
});

test("polling does not hold a time-out off", () => {
  put("iir", 0xc1);
  put("ier", 1);
  r.type("x");
  for (let i = 0; i < 100; i++) {
    r.pass(50_000);
    get("lsr");
  }
  expect(get("iir")).toBe(0xcc);
});

test("the transmitter's interrupt comes when it is enabled and after each write, and goes when it is seen", () => {
  put("ier", 2);
  expect(raised()).toBe(true);
  expect(get("iir")).toBe(2);
  expect([get("iir"), raised()]).toEqual([1, false]);
  put("data", 65);
  expect([raised(), get("iir"), get("iir")]).toEqual([true, 2, 1]);
});

test("received data comes before the empty transmitter", () => {
  put("ier", 3);
  r.type("x");
  expect(get("iir")).toBe(4);
  get("data");
  expect(get("iir")).toBe(2);
});

test("loopback gives back bytes and modem outputs, and overruns", () => {
  put("mcr", 0x1a);
  expect(get("msr") & 0xf0).toBe(0x90);
  put("data", 65);
  put("data", 66);
  expect(get("lsr")).toBe(0x63);
  expect(get("lsr")).toBe(0x61);
  expect(get("data")).toBe(65);
  expect(r.text()).toBe("");
  r.type("z");
  expect(get("lsr") & 1).toBe(0);
  put("mcr", 0);
  expect(String.fromCharCode(get("data"))).toBe("z");
});

test("changes of modem lines are told once", () => {
  put("mcr", 0x10);
  expect(get("msr")).toBe(0x0b);
  expect(get("msr")).toBe(0x00);
});

test("divisor latch and scratch keep what is written", () => {
  put("lcr", 0x83);
  put("data", 0x34);
  put("ier", 0x12);
  expect([get("data"), get("ier"), r.state.uart.divisor]).toEqual([0x34, 0x12, 0x1234]);
  put("lcr", 3);
  put("scr", 0x5a);
  expect([get("ier"), get("scr"), get("lcr"), r.sent.length]).toEqual([0, 0x5a, 3, 0]);
});

test("clearing the FIFO drops what was in it", () => {
  put("iir", 1);
  r.type("abc");
  put("iir", 3);
  expect(get("lsr") & 1).toBe(0);
});
