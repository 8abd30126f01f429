/** `ostler serve`: the server in this process. */
import process from "node:process";
import { Command, Option } from "commander";
import { type ServerConfig, settings } from "../../config.ts";
import { UsageError } from "../failure.ts";
import { withExamples } from "../shared.ts";

/** `--http-port` for httpPort, `--max-resident-machines` for maxResidentMachines. */
const optionName = (name: string): string =>
  name === "dataDir" ? "data" : name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A default as one would write it. */
const shown = (fallback: string | number | boolean): string =>
  typeof fallback === "boolean" ? (fallback ? "on" : "off") : `${fallback}` || "none";

type SettingName = keyof ServerConfig;

function serveOptions(command: Command): Command {
  for (const [name, setting] of Object.entries(settings)) {
    const help = `${setting.help} (${setting.variable}; default ${shown(setting.fallback)})`;
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
    if (typeof value === "string" && value.startsWith("must be "))
      throw new UsageError(`--${optionName(name)} ${text}: ${value}`);
    overrides[name] = value;
  }
  return overrides as Partial<ServerConfig>;
}

export const serveCommand = withExamples(
  serveOptions(
    new Command("serve")
      .summary("start a server here")
      .description("Start a server here; Ctrl-C stops it, and everything is kept."),
  ),
  [
    "ostler serve",
    "ostler serve --data /var/lib/ostler --host 0.0.0.0",
    "ostler serve --http-port 0 --grpc-port 0   # free ports, printed",
  ],
).action(async (options: Record<string, unknown>) => {
  const overrides = serveOverrides(options);
  const { main } = await import("../../main.ts");
  process.exitCode = await main(overrides);
});
