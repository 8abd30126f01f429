import process from "node:process";
import { describe, expect, test } from "vitest";
import { type Mix, Random } from "../random_program.ts";
import { lockstep } from "./lockstep.ts";

/** More programs than usual, or others: CPU_SEED is the first seed, CPU_PROGRAMS how many. */
const base = Number(process.env["CPU_SEED"] ?? 1);
const programs = Number(process.env["CPU_PROGRAMS"] ?? 8);

describe("interpreted and translated code agree on every register, byte, count and stop", () => {
  test.each<[Mix, number]>([
    ["all", 1],
    ["integer", 1],
    ["float", 1],
    ["all", 4],
  ])("%s instructions, translated after %i jumps", (mix, jumps) => {
    for (let seed = base; seed < base + programs; seed++) {
      const difference = lockstep(new Random(seed), mix, jumps, 300);
      if (difference) expect(difference[1], `seed ${seed}`).toEqual(difference[0]);
    }
  });
});
