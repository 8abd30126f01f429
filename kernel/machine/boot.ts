/**
 * Booting: the first program of a machine that has one. It is started when the machine is made, before anything else,
 * so its number is 1. What is wrong with it is told on the console when the machine first runs (a host that makes a
 * machine anew from its journal expects no output before the first entry), and the machine then waits for its host.
 */
import type { TaskId } from "../lib/ids.ts";
import { encodeText } from "../lib/text.ts";
import { rootCredentials } from "../thread/credentials.ts";
import { getTask } from "../thread/tasks.ts";
import { takeTerminal } from "../tty/terminal.ts";
import type { Kernel } from "./kernel.ts";
import { planProgramStart } from "./programs.ts";

const noLimits = { instructions: 0, memoryBytes: 0, outputBytes: 0 };
const usual = ["HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

const nameOf = (variable: string): string => variable.slice(0, variable.indexOf("="));

function environmentOf(k: Kernel): string[] {
  const given = new Set(k.config.environment.map(nameOf));
  return [...usual.filter((variable) => !given.has(nameOf(variable))), ...k.config.environment];
}

export function bootInit(k: Kernel): void {
  const { init } = k.config;
  if (init === undefined) return;
  const environment = environmentOf(k);
  const problems: string[] = [];
  for (const path of init.paths) {
    const start = {
      kind: "startProgram",
      path,
      arguments: [path, ...init.arguments],
      environment,
      input: { kind: "console" },
      limits: noLimits,
    } as const;
    const plan = planProgramStart(k, { ...start, arguments: [...start.arguments] }, rootCredentials());
    if ("error" in plan) {
      problems.push(plan.error.message);
      continue;
    }
    const task = getTask(k, plan.perform()!);
    k.threads.init = task.id;
    takeTerminal(k, "console", task);
    return;
  }
  k.state.control.bootProblem = problems.map((problem) => `no init: ${problem}\r\n`).join("");
}

export function tellBootProblem(k: Kernel): void {
  const { bootProblem } = k.state.control;
  if (bootProblem === null) return;
  const text = encodeText(bootProblem);
  k.state.control.bootProblem = null;
  k.outlet.console(0 as TaskId, k.hal.serial.write(text), text);
}
