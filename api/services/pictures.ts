/** The answer of all methods that draw something. */
import type { Position } from "../../kernel/index.ts";
import { GraphFormat } from "../../proto/gen/ostler/v1/capabilities_pb.js";
import { toPosition } from "./common.ts";

interface Drawings {
  dot: () => string;
  svg: () => string;
}

export function toPicture(format: GraphFormat, { dot, svg }: Drawings, at: Position) {
  const asText = format === GraphFormat.DOT;
  return {
    text: asText ? dot() : svg(),
    mediaType: asText ? "text/vnd.graphviz" : "image/svg+xml",
    position: toPosition(at),
  };
}
