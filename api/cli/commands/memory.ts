/** `ostler memory …`: bytes of a machine, as it or one of its tasks sees them. */
import { Option } from "commander";
import {
  MemoryService,
  ReadPhysicalMemoryResponseSchema,
  ReadVirtualMemoryResponseSchema,
  WritePhysicalMemoryResponseSchema,
  WriteVirtualMemoryResponseSchema,
} from "../../../proto/gen/ostler/v1/memory_pb.js";
import { readInput } from "../failure.ts";
import { hexBytes, hexDump } from "../hex.ts";
import { action, type Session } from "../session.ts";
import { argument, group, leaf } from "../shared.ts";
import { parseAddress, parseSize, parseTask } from "../units.ts";
import { framesCommand, mapCommand } from "./memory-map.ts";
import { spaceCommand } from "./memory-space.ts";

const ADDRESS_HELP = "\nWithout --task addresses are physical; RAM begins at 0x80000000.";
const taskOption = () => new Option("--task <task>", "virtual addresses of this task").argParser(parseTask);

async function print(session: Session, raw: boolean | undefined, address: bigint, data: Uint8Array): Promise<void> {
  if (raw) await session.out.bytes(data);
  else session.out.line(hexDump(data, address));
}

const readCommand = leaf("read <machine> <address> [length]", "show bytes (default 256)", [
  "ostler memory read m-1234 0x80000000 64",
  "ostler memory read m-1234 0x10000 4K --task 1 --raw > text.bin",
])
  .addHelpText("after", ADDRESS_HELP)
  .addOption(taskOption())
  .option("--raw", "the bytes as they are")
  .action(
    action<{ task?: number; raw?: boolean }>(async (session, [machineId, at, count], options) => {
      const memory = await session.service(MemoryService);
      const address = argument("address", at!, parseAddress);
      const range = { machineId: machineId!, address, length: argument("length", count ?? "256", parseSize) };
      if (options.task === undefined) {
        const answer = await memory.readPhysicalMemory(range);
        if (session.out.json) return session.out.message(ReadPhysicalMemoryResponseSchema, answer, () => "");
        return print(session, options.raw, address, answer.data);
      }
      const answer = await memory.readVirtualMemory({ ...range, task: options.task });
      if (session.out.json) return session.out.message(ReadVirtualMemoryResponseSchema, answer, () => "");
      return print(session, options.raw, address, answer.data);
    }),
  );

const writeCommand = leaf("write <machine> <address> <hex>", "change bytes: pairs of hexadecimal digits, or @file", [
  "ostler memory write m-1234 0x80001000 00ff00ff",
  "ostler memory write m-1234 0x80001000 @patch.bin",
])
  .addHelpText("after", ADDRESS_HELP)
  .addOption(taskOption())
  .action(
    action<{ task?: number }>(async (session, [machineId, at, given], options) => {
      const memory = await session.service(MemoryService);
      const data = given!.startsWith("@") ? readInput(given!.slice(1)) : hexBytes(given!);
      const range = { machineId: machineId!, address: argument("address", at!, parseAddress), data };
      const done = () => `${data.length} bytes written`;
      if (options.task === undefined)
        return session.out.message(WritePhysicalMemoryResponseSchema, await memory.writePhysicalMemory(range), done);
      session.out.message(
        WriteVirtualMemoryResponseSchema,
        await memory.writeVirtualMemory({ ...range, task: options.task }),
        done,
      );
    }),
  );

export const memoryCommand = group("memory", "bytes of a machine or of a task, and who has which", [
  readCommand,
  writeCommand,
  mapCommand,
  framesCommand,
  spaceCommand,
]);
