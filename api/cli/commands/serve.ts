/** `ostler serve` starts the server here; `ostler health` asks one whether it works. */
import { Option } from "commander";
import { Health, HealthCheckResponse_ServingStatus, HealthCheckResponseSchema } from "../../../proto/gen/grpc/health/v1/health_pb.js";
import { type ServerConfig, settings } from "../../config.ts";
import { ExitCode, UsageError } from "../failure.ts";
import { action } from "../session.ts";
import { leaf, withExamples } from "../shared.ts";
import { Command } from "commander";

/** `--http-port` for httpPort, `--max-resident-machines` for maxResidentMachines. */
const optionName = (name: string): string => (name === "dataDir" ? "data" : name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));

type SettingName = keyof ServerConfig;

function serveOptions(command: Command): Command {
  for (const [name, setting] of Object.entries(settings)) {
    const help = `${setting.help} (${setting.variable}; default ${setting.fallback})`;
    command.addOption(new Option(`--${optionName(name)} <value>`, help));
  }
  return command;
}

/** What was given, checked by the rules of the settings. */
export function serveOverrides(given: Record<string, unknown>): Partial<ServerConfig> {
  const overrides: Record<string, unknown> = {};
  for (const name of Object.keys(settings) as SettingName[]) {
    const text = given[name === "dataDir" ? "data" : name];
    if (typeof text !== "string") continue;
    const value = settings[name].read(text);
    if (typeof value === "string" && value.startsWith("must be ")) throw new UsageError(`--${optionName(name)} ${text}: ${value}`);
    overrides[name] = value;
  }
  return overrides as Partial<ServerConfig>;
}

export const serveCommand = withExamples(
  serveOptions(new Command("serve").summary("start a server here").description("Start a server here; Ctrl-C stops it, and everything is kept.")),
  ["ostler serve", "ostler serve --data /var/lib/ostler --host 0.0.0.0", "ostler serve --http-port 0 --grpc-port 0   # free ports, printed"],
).action(async (options: Record<string, unknown>) => {
  const overrides = serveOverrides(options);
  const { main } = await import("../../main.ts");
  process.exitCode = await main(overrides);
});

export const healthCommand = leaf("health", "ask whether the server works; status 0 when it does", ["ostler health && echo up"]).action(
  action(async (session) => {
    const answer = await (await session.service(Health)).check({}, { deadlineMs: session.options.deadline ?? 5_000 });
    const serving = answer.status === HealthCheckResponse_ServingStatus.SERVING;
    session.out.message(HealthCheckResponseSchema, answer, () => `${session.access.address}: ${serving ? "works" : "does not serve"}`);
    return serving ? ExitCode.ok : ExitCode.failed;
  }),
);
