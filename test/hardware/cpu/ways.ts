/** The two ways in which an instruction is executed, to try each by itself. */
import { Translations } from "../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { bType } from "./encode.ts";
import { addi, ECALL } from "./fixture.ts";

/** Runs the instruction three times (x13), the last time as it is translated if there is a translator. */
export const loop = (instruction: number): number[] => [instruction, addi(13, 13, -1), bType(1, 13, 0, -8), ECALL];

/** Code that changes again and again is translated again at once. */
export const ways = {
  interpreter: () => undefined,
  translator: () => new Translations({ jumps: 1, credit: 1e9, patience: 0 }),
};
