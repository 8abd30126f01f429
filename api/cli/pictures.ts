/** Options of commands that show something as a list, or as a picture. */
import { type Command, Option } from "commander";
import { GraphFormat } from "../../proto/gen/ostler/v1/capabilities_pb.js";

export interface PictureOptions {
  dot?: boolean;
  svg?: boolean;
}

export const pictureOptions = (command: Command, what: string): Command =>
  command
    .addOption(new Option("--dot", "as text for Graphviz").conflicts("svg"))
    .option("--svg", `as a picture of ${what}`);

/** null: no picture is asked for. */
export function pictureFormat({ dot, svg }: PictureOptions): GraphFormat | null {
  if (dot) return GraphFormat.DOT;
  return svg ? GraphFormat.SVG : null;
}
