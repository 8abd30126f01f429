import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import {
  formatCount,
  formatNs,
  formatSize,
  parseAddress,
  parseCount,
  parseDurationMs,
  parseDurationNs,
  parseSize,
} from "../../api/cli/units.ts";

describe("numbers on the command line", () => {
  it.each([
    ["65536", 65_536],
    ["64K", 65_536],
    ["64M", 67_108_864],
    ["64MiB", 67_108_864],
    ["1.5k", 1536],
    ["1G", 1_073_741_824],
  ])("reads the size %s", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ["10", 10],
    ["10k", 10_000],
    ["1.5M", 1_500_000],
    ["2G", 2_000_000_000],
    ["1e9", 1_000_000_000],
    ["1_000_000", 1_000_000],
  ])("reads the count %s", (text, count) => expect(parseCount(text)).toBe(count));

  it.each([
    ["500ms", 500],
    ["1.5s", 1_500],
    ["2m", 120_000],
    ["3", 3_000],
    ["0", 0],
  ])("reads the time %s", (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  it("reads virtual time to the nanosecond", () => {
    expect(parseDurationNs("250us")).toBe(250_000);
    expect(parseDurationNs("17ns")).toBe(17);
  });

  it("reads addresses in both bases", () => {
    expect(parseAddress("0x80000000")).toBe(0x8000_0000n);
    expect(parseAddress("4096")).toBe(4096n);
  });

  it.each([
    [parseSize, "64Q"],
    [parseSize, "-1"],
    [parseSize, ""],
    [parseSize, "0.3K"],
    [parseCount, "many"],
    [parseCount, "99999999999999999"],
    [parseDurationMs, "1 hour"],
    [parseAddress, "ten"],
  ])("%o refuses %j and says what would be right", (parse, text) =>
    expect(() => parse(text)).toThrow(InvalidArgumentError),
  );

  it("writes numbers as short as they can be read", () => {
    expect([0, 999, 1024, 1536, 67_108_864, 1_073_741_824].map(formatSize)).toEqual([
      "0 B",
      "999 B",
      "1 KiB",
      "1.5 KiB",
      "64 MiB",
      "1 GiB",
    ]);
    expect([0, 999, 1_000, 1_234_567, 5_000_000_000].map(formatCount)).toEqual(["0", "999", "1 k", "1.2 M", "5 G"]);
    expect([0, 1_500, 2_000_000, 3_500_000_000, 90_000_000_000].map(formatNs)).toEqual([
      "0 ns",
      "1.5 us",
      "2 ms",
      "3.5 s",
      "1 min 30 s",
    ]);
  });
});
