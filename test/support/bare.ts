/** Machines that boot bare, for tests. */
import { defaultMac } from "../../kernel/hardware/network/state.ts";
import type { BareBoot, ImageSpec, Machine, MachineConfig, MachinePorts } from "../../kernel/index.ts";
import { fileOf, runOn, testConfig, testMachine } from "./machine.ts";

export function imageOf(bytes: Uint8Array): ImageSpec {
  const { content, size } = fileOf("/image", bytes);
  return { content, size };
}

export const bareConfig = (
  firmware: Uint8Array,
  boot: Partial<BareBoot> = {},
  overrides: Partial<MachineConfig> = {},
): MachineConfig =>
  testConfig({
    boot: {
      firmware: imageOf(firmware),
      kernel: null,
      initrd: null,
      disks: [],
      commandLine: "",
      harts: 1,
      network: { cable: "responder", mac: defaultMac },
      console: "uart",
      ...boot,
    },
    ...overrides,
  });

export const bareMachine = (config: MachineConfig, ports: Partial<MachinePorts> = {}): Machine =>
  testMachine(config, ports);

/** Runs until the machine is idle, types, and runs on until it is idle again. */
export function typeWhenIdle(machine: Machine, text: string): void {
  const stop = runOn(machine);
  if (stop.kind !== "idle") throw new Error(`the machine stopped with ${stop.kind}`);
  machine.apply({ kind: "console", bytes: new TextEncoder().encode(text) });
  runOn(machine);
}
