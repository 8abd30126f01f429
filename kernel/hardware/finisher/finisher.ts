/** The test finisher (SiFive's): a word that ends the machine, or resets it. What was asked for is read in its state. */
import type { Device } from "../bus/device.ts";
import { initPower, type PowerState } from "./state.ts";

const command = { fail: 0x3333, pass: 0x5555, reset: 0x7777 } as const;

export function finisherOver(power: PowerState): Device {
  return {
    registers: [
      {
        name: "finish",
        offset: 0,
        bytes: 4,
        widths: [2, 4],
        write(_, value) {
          const low = value & 0xffff;
          if (power.state !== "on") return;
          if (low === command.reset) power.state = "resetting";
          if (low !== command.pass && low !== command.fail) return;
          power.state = "ending";
          power.code = low === command.pass ? 0 : value >>> 16;
        },
      },
    ],
    reset() {
      Object.assign(power, initPower());
    },
  };
}
