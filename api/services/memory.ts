/** MemoryService: physical and virtual memory. Reads are queries; writes are inputs like any other. */
import type { TaskId } from "../../kernel/index.ts";
import type { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { notFound, outOfRange } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { ServiceImplementation } from "../operation.ts";
import { type Deps, toNumber, toPosition, useMachine } from "./common.ts";

/** End of the 64-bit addresses that the kernel can name; anything beyond is not mapped anywhere. */
const addressOf = (value: bigint): number => toNumber(value, "address");

const positionOf = (machine: HostedMachine) => toPosition(machine.visible.summary.position);

export function memoryService(deps: Deps): ServiceImplementation<typeof MemoryService> {
  return {
    async readPhysicalMemory({ machineId, address, length }, context) {
      const machine = await useMachine(deps, context, machineId);
      const { bytes } = await machine.query({ kind: "readPhysical", address: addressOf(address), length });
      if (!bytes) throw outOfRange("address", "the range must lie in RAM, which begins at 2147483648 (0x80000000)");
      return { data: bytes, position: positionOf(machine) };
    },

    async writePhysicalMemory({ machineId, address, data }, context) {
      const machine = await useMachine(deps, context, machineId);
      await machine.apply({ kind: "writePhysical", address: addressOf(address), bytes: data });
      return { position: positionOf(machine) };
    },

    async readVirtualMemory({ machineId, task, address, length }, context) {
      const machine = await useMachine(deps, context, machineId);
      if (!(await machine.learnExit(task as TaskId))) throw notFound("task", String(task));
      const { bytes } = await machine.query({
        kind: "readVirtual",
        task: task as TaskId,
        address: addressOf(address),
        length,
      });
      if (!bytes) throw outOfRange("address", `task ${task} cannot read all of this range; GetTask shows its regions`);
      return { data: bytes, position: positionOf(machine) };
    },

    async writeVirtualMemory({ machineId, task, address, data }, context) {
      const machine = await useMachine(deps, context, machineId);
      await machine.apply({ kind: "writeVirtual", task: task as TaskId, address: addressOf(address), bytes: data });
      return { position: positionOf(machine) };
    },
  };
}
