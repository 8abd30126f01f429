/**
 * The derivation of capabilities as an SVG document: a forest that grows to the right, a box for each slot, in the
 * order of addresses. What was derived from a slot that is not shown stands at the left edge, like what was derived
 * from nothing. Colours tell types apart; each box says in its title all that is known.
 */
import type { CapabilityGraphInfo, CapabilitySlotInfo, KernelObjectInfo } from "../../kernel/index.ts";
import { capabilityText, objectText, placeText, xmlText } from "./capability-text.ts";

const box = { width: 290, height: 44, gapX: 50, gapY: 10 } as const;
const margin = 20;
const headerHeight = 30;

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

const shortened = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 3)}...` : text;

function drawBox(placed: Placed, object: KernelObjectInfo | undefined): string {
  const { slot } = placed;
  const [x, y] = [leftOf(placed), topOf(placed)];
  const what = capabilityText(slot);
  const now = object === undefined ? "" : objectText(object);
  const holders = slot.holders.map(({ task, thread }) => `task ${task} thread ${thread}`).join(", ");
  const title = [
    placeText(slot),
    `${slot.type} ${what}`,
    `${slot.object}: ${now}`,
    `reached by ${holders || "nobody"}`,
  ];
  const first = `${slot.type}${what === "" ? "" : ` ${what}`}`;
  return [
    `<g class="slot"><title>${title.map(xmlText).join("&#10;")}</title>`,
    `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="4" fill="${colours[slot.type]}"/>`,
    `<text x="${x + 8}" y="${y + 18}">${xmlText(shortened(first, 38))}</text>`,
    `<text x="${x + 8}" y="${y + 35}" class="where">${xmlText(shortened(placeText(slot), 40))}</text></g>`,
  ].join("");
}

/** From the middle of the parent's right side to that of the child's left side. */
function drawEdge(parent: Placed, child: Placed): string {
  const [x1, y1] = [leftOf(parent) + box.width, topOf(parent) + box.height / 2];
  const [x2, y2] = [leftOf(child), topOf(child) + box.height / 2];
  const middle = x1 + box.gapX / 2;
  return `<path d="M${x1} ${y1}H${middle}V${y2}H${x2}"/>`;
}

const style =
  "text{font:12px monospace;fill:#212529}.where{font-size:11px;fill:#495057}.head{font-weight:bold}" +
  "rect{stroke:#6c757d}path{fill:none;stroke:#6c757d;stroke-width:1.5}";

export function capabilitySvg({ slots, objects, total }: CapabilityGraphInfo): string {
  const placed = layOut(slots);
  const byId = new Map(placed.map((one) => [one.slot.id, one]));
  const objectById = new Map(objects.map((object) => [object.id, object]));
  const width = Math.max(400, ...placed.map((one) => leftOf(one) + box.width + margin));
  const height = Math.max(100, ...placed.map((one) => topOf(one) + box.height + margin));
  const edges = placed.flatMap((child) => {
    const parent = child.slot.parent === null ? undefined : byId.get(child.slot.parent);
    return parent === undefined ? [] : [drawEdge(parent, child)];
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    "<title>Derivation of capabilities</title>",
    `<style>${style}</style>`,
    `<rect width="${width}" height="${height}" fill="#ffffff" stroke="none"/>`,
    `<text x="${margin}" y="${margin + 10}" class="head">${total} capabilities: each with those derived from it to its right</text>`,
    ...edges,
    ...placed.map((one) => drawBox(one, objectById.get(one.slot.object))),
    "</svg>",
    "",
  ].join("\n");
}
