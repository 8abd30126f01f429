/** `ostler machine wait`: until a condition holds, with progress. */
import { Option } from "commander";
import {
  MachineService,
  type WaitMachineResponse,
  WaitMachineResponseSchema,
} from "../../../proto/gen/ostler/v1/machines_pb.js";
import { ExitCode } from "../failure.ts";
import { action, type Session } from "../session.ts";
import { leaf, machineLine } from "../shared.ts";
import { formatCount, formatNs, parseCount, parseDurationMs, parseTask } from "../units.ts";

interface WaitOptions {
  idle?: boolean;
  task?: number;
  console?: string;
  consoleOffset?: number;
  instructions?: number;
  timeout?: number;
  /** Without progress: the terminal belongs to a program. */
  quiet?: boolean;
}

/** Waits, showing progress; the last answer says how it ended. */
export async function waitMachine(
  session: Session,
  machineId: string,
  options: WaitOptions,
  signal?: AbortSignal,
): Promise<WaitMachineResponse> {
  const machines = await session.service(MachineService);
  const some = options.idle || options.task || options.console || options.instructions;
  const request = {
    machineId,
    idleOrPaused: options.idle === true || !some,
    taskExited: options.task ?? 0,
    consoleContains: options.console ?? "",
    consoleOffset: BigInt(options.consoleOffset ?? 0),
    instructions: BigInt(options.instructions ?? 0),
    timeoutMs: options.timeout ?? 0,
  };
  let last: WaitMachineResponse | undefined;
  try {
    for await (const answer of session.follow(() => machines.waitMachine(request, { signal }), signal)) {
      last = answer;
      if (answer.endedBy !== "") break;
      if (options.quiet) continue;
      const at = answer.machine?.position;
      session.out.progress(
        `${formatCount(at?.instructions ?? 0n)} instructions, ${formatNs(at?.timeNs ?? 0n)} of virtual time`,
      );
    }
  } finally {
    if (!options.quiet) session.out.progress("");
  }
  return last!;
}

export const waitCommand = leaf(
  "wait <machine>",
  "wait until a condition holds (default: idle or paused); the first one ends it",
  [
    "ostler machine wait m-1234 --idle",
    "ostler machine wait m-1234 --task 1 --timeout 10s",
    'ostler machine wait m-1234 --console "login:"',
  ],
)
  .option("--idle", "the machine is idle or paused")
  .addOption(new Option("--task <task>", "this task has ended").argParser(parseTask))
  .option("--console <text>", "the console shows this text")
  .addOption(new Option("--console-offset <n>", "look for the text from this offset on").argParser(parseCount))
  .addOption(new Option("--instructions <n>", "so many instructions have been executed in all").argParser(parseCount))
  .addOption(
    new Option("--timeout <time>", "stop waiting after this time; the command then ends with status 124").argParser(
      parseDurationMs,
    ),
  )
  .action(
    action<WaitOptions>(async (session, [machineId], options) => {
      const answer = await waitMachine(session, machineId!, options, session.interruptible());
      session.out.message(WaitMachineResponseSchema, answer, () => {
        const task = answer.exitStatus === undefined ? "" : `task ${options.task} ${answer.exitStatus.description}; `;
        return `${answer.endedBy}: ${task}${machineLine(answer.machine!)}`;
      });
      return answer.endedBy === "timeout" ? ExitCode.timeout : ExitCode.ok;
    }),
  );
