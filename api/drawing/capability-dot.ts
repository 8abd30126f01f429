/** The graph of capabilities as text for Graphviz: slots in the boxes that they are in, and arrows between them. */
import type { CapabilityGraphInfo, CapabilitySlotInfo } from "../../kernel/index.ts";
import { capabilityText, objectText, placeText } from "./capability-text.ts";
import { dotDocument, label, quoted } from "./dot.ts";

const containerOf = ({ place }: CapabilitySlotInfo): string =>
  place.kind === "kernel" ? "kernel" : `${place.kind} 0x${place.address.toString(16)}`;

function clusters({ slots }: CapabilityGraphInfo): string[] {
  const byContainer = new Map<string, CapabilitySlotInfo[]>();
  for (const slot of slots) {
    const name = containerOf(slot);
    byContainer.set(name, [...(byContainer.get(name) ?? []), slot]);
  }
  return [...byContainer].flatMap(([name, inside], index) => [
    `subgraph cluster_${index} {`,
    `  label=${quoted(name)};`,
    ...inside.map(
      (slot) => `  ${quoted(slot.id)} [shape=box, label="${label(placeText(slot), slot.type, capabilityText(slot))}"];`,
    ),
    "}",
  ]);
}

export function capabilityDot(graph: CapabilityGraphInfo): string {
  const shown = new Set(graph.slots.map(({ id }) => id));
  const objects = new Set(graph.objects.map(({ id }) => id));
  return dotDocument("capabilities", [
    ...clusters(graph),
    ...graph.objects.map(
      (object) => `${quoted(object.id)} [shape=ellipse, label="${label(object.id, objectText(object))}"];`,
    ),
    ...graph.slots.flatMap(({ id, parent, object, delegatedBy }) => [
      ...(delegatedBy?.object && objects.has(delegatedBy.object)
        ? [`${quoted(delegatedBy.object)} -> ${quoted(id)} [style=dotted, constraint=false, label="passed on"];`]
        : []),
      ...(parent !== null && shown.has(parent) ? [`${quoted(parent)} -> ${quoted(id)} [style=bold];`] : []),
      `${quoted(id)} -> ${quoted(object)} [style=dashed, constraint=false];`,
    ]),
  ]);
}
