/**
 * The derivation of capabilities as an SVG document: a forest that grows to the right, a box for each slot, in the
 * order of addresses. What was derived from a slot that is not shown stands at the left edge, like what was derived
 * from nothing. Colours tell types apart; each box says in its title all that is known.
 */
import type { CapabilityGraphInfo, CapabilitySlotInfo, KernelObjectInfo } from "../../kernel/index.ts";
import { capabilityText, objectText, placeText } from "./capability-text.ts";
import { boxHeight, drawArm, drawBox, drawHead, headerHeight, margin, svgDocument } from "./svg.ts";

const box = { width: 290, height: boxHeight, gapX: 50, gapY: 10 } as const;

const colours: Record<CapabilitySlotInfo["type"], string> = {
  untyped: "#e8e8e8",
  cnode: "#cfe2ff",
  tcb: "#d1e7dd",
  endpoint: "#ffe5d0",
  notification: "#fff3cd",
  reply: "#f8d7da",
  frame: "#e2d9f3",
  pageTable: "#c5b3e6",
  asidControl: "#d2f4ea",
  asidPool: "#d2f4ea",
  irqControl: "#f7d6e6",
  irqHandler: "#f7d6e6",
  domain: "#dee2e6",
  file: "#ffffff",
  zombie: "#adb5bd",
  bank: "#f1f3f5",
};

interface Placed {
  slot: CapabilitySlotInfo;
  depth: number;
  row: number;
}

/** A line for each leaf; a parent stands beside its first child. Without recursion: a derivation can be long. */
function layOut(slots: readonly CapabilitySlotInfo[]): Placed[] {
  const shown = new Set(slots.map(({ id }) => id));
  const children = new Map<string, CapabilitySlotInfo[]>();
  const roots: CapabilitySlotInfo[] = [];
  for (const slot of slots) {
    if (slot.parent === null || !shown.has(slot.parent)) roots.push(slot);
    else children.set(slot.parent, [...(children.get(slot.parent) ?? []), slot]);
  }
  const placed: Placed[] = [];
  const open = roots.map((slot) => ({ slot, depth: 0 })).reverse();
  let row = -1;
  let depthBefore = Number.POSITIVE_INFINITY;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.depth <= depthBefore) row += 1;
    placed.push({ ...next, row });
    depthBefore = next.depth;
    const below = children.get(next.slot.id) ?? [];
    open.push(...below.map((slot) => ({ slot, depth: next.depth + 1 })).reverse());
  }
  return placed;
}

const leftOf = ({ depth }: Placed): number => margin + depth * (box.width + box.gapX);
const topOf = ({ row }: Placed): number => margin + headerHeight + row * (box.height + box.gapY);
const placeOf = (placed: Placed) => ({ x: leftOf(placed), y: topOf(placed), width: box.width });

function drawSlot(placed: Placed, object: KernelObjectInfo | undefined): string {
  const { slot } = placed;
  const what = capabilityText(slot);
  const now = object === undefined ? "" : objectText(object);
  const holders = slot.holders.map(({ task, thread }) => `task ${task} thread ${thread}`).join(", ");
  return drawBox({
    ...placeOf(placed),
    kind: "slot",
    fill: colours[slot.type],
    lines: [`${slot.type}${what === "" ? "" : ` ${what}`}`, placeText(slot)],
    title: [placeText(slot), `${slot.type} ${what}`, `${slot.object}: ${now}`, `reached by ${holders || "nobody"}`],
  });
}

export function capabilitySvg({ slots, objects, total }: CapabilityGraphInfo): string {
  const placed = layOut(slots);
  const byId = new Map(placed.map((one) => [one.slot.id, one]));
  const objectById = new Map(objects.map((object) => [object.id, object]));
  const arms = placed.flatMap((child) => {
    const parent = child.slot.parent === null ? undefined : byId.get(child.slot.parent);
    return parent === undefined ? [] : [drawArm(placeOf(parent), placeOf(child))];
  });
  return svgDocument({
    title: "Derivation of capabilities",
    width: Math.max(400, ...placed.map((one) => leftOf(one) + box.width + margin)),
    height: Math.max(100, ...placed.map((one) => topOf(one) + box.height + margin)),
    elements: [
      drawHead(`${total} capabilities: each with those derived from it to its right`, margin),
      ...arms,
      ...placed.map((one) => drawSlot(one, objectById.get(one.slot.object))),
    ],
  });
}
