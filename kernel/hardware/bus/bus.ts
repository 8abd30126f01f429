/**
 * The bus: which device answers at a physical address outside RAM.
 *
 * A block is some bytes of the address space with a device behind them. Where there is no block, an access faults.
 */
import type { Trace } from "../../trace/define.ts";
import { deviceRead, deviceWrite } from "../../trace/events/device.ts";
import type { Bus } from "../cpu/core.ts";
import type { Device } from "./device.ts";
import { readRegisters, writeRegisters } from "./registers.ts";

export interface Block {
  readonly name: string;
  readonly base: number;
  readonly bytes: number;
  readonly device: Device;
}

export interface BusParts {
  /** Told after each access that a device has answered. */
  touched(): void;
  trace: Trace;
}

export function createBus(blocks: readonly Block[], { touched, trace }: BusParts): Bus {
  const sorted = [...blocks].sort((a, b) => a.base - b.base);
  const find = (address: number, size: number): Block | undefined =>
    sorted.find(({ base, bytes }) => address >= base && address + size <= base + bytes);
  const of = ({ name, base }: Block, address: number, size: number) => ({
    device: name,
    offset: address - base,
    bytes: size,
  });
  return {
    read(address, size) {
      const block = find(address, size);
      if (block === undefined) return null;
      const value = readRegisters(block.device.registers, address - block.base, size);
      if (value === null) return null;
      if (trace.on(deviceRead)) trace.write(deviceRead, { ...of(block, address, size), value });
      touched();
      return value;
    },
    write(address, size, value) {
      const block = find(address, size);
      if (block === undefined) return false;
      if (!writeRegisters(block.device.registers, address - block.base, size, value)) return false;
      if (trace.on(deviceWrite)) trace.write(deviceWrite, { ...of(block, address, size), value });
      touched();
      return true;
    },
  };
}
