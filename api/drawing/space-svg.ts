/**
 * An address space as an SVG document: the tables on the way to an address from left to right, and below them the
 * ranges of pages with the frames behind them. Ranges that touch are drawn so.
 */
import type { AddressSpaceInfo, MappedRangeInfo } from "../../kernel/index.ts";
import {
  bytesOf,
  endText,
  hex,
  indexOf,
  pagesText,
  restText,
  sizeText,
  spaceTitle,
  spanText,
  tableOf,
} from "./memory-text.ts";
import { type Box, boxHeight, drawArm, drawBox, drawHead, headerHeight, margin, svgDocument } from "./svg.ts";

const box = { width: 300, gapX: 50, gapY: 10 } as const;
/** The tables of Sv39, and where they lead. */
const columns = 4;
const nowhere = "#f8d7da";

/** By what may be done there: code, data, and what nobody should have. */
function colourOf(permissions: string): string {
  const [store, execute] = [permissions.includes("w"), permissions.includes("x")];
  if (store) return execute ? "#f8d7da" : "#cfe2ff";
  return execute ? "#d1e7dd" : "#fff3cd";
}

function drawWalk(space: AddressSpaceInfo, address: bigint, y: number): string[] {
  const steps = space.walk?.steps ?? [];
  const place = (depth: number) => ({ x: margin + depth * (box.width + box.gapX), y, width: box.width });
  const tables = steps.map((step, depth): Box => {
    const entry = `[${indexOf(step)}] = ${hex(step.entry)}`;
    return {
      ...place(depth),
      kind: "table",
      fill: "#c5b3e6",
      lines: [`level ${step.level}, table at ${hex(tableOf(step))}`, entry],
      title: [
        `level ${step.level}, table at ${hex(tableOf(step))}`,
        `${entry}, at ${hex(step.entryAddress)}`,
        `covers ${sizeText(2n ** BigInt(step.coversBits))}, ${step.kind}`,
      ],
    };
  });
  const lines = endText(space);
  const last = steps.at(-1);
  const fill = last?.kind === "page" ? colourOf(last.permissions) : nowhere;
  const boxes = [...tables, { ...place(steps.length), kind: "end", fill, lines, title: lines }];
  return [
    drawHead(`Where ${hex(address)} leads`, y - headerHeight),
    ...boxes.slice(1).map((to, index) => drawArm(boxes[index]!, to)),
    ...boxes.map((one) => drawBox(one)),
  ];
}

function drawRange(range: MappedRangeInfo, y: number): string {
  const bytes = bytesOf(range);
  const fill = colourOf(range.permissions);
  const pages: Box = {
    x: margin,
    y,
    width: box.width,
    kind: "pages",
    fill,
    lines: [spanText(range.start, bytes), pagesText(range)],
    title: [spanText(range.start, bytes), pagesText(range)],
  };
  const frames: Box = {
    ...pages,
    x: margin + box.width + box.gapX,
    kind: "frames",
    lines: [spanText(range.physical, bytes), sizeText(bytes)],
    title: [spanText(range.physical, bytes), sizeText(bytes)],
  };
  return [drawArm(pages, frames), drawBox(pages), drawBox(frames)].join("");
}

/** `address`: what the walk is for; null when there is none. */
export function spaceSvg(space: AddressSpaceInfo, address: bigint | null): string {
  const elements = [drawHead(spaceTitle(space), margin)];
  let top = margin + headerHeight;
  if (address !== null) {
    elements.push(...drawWalk(space, address, top + headerHeight));
    top += headerHeight + boxHeight + 2 * box.gapY;
  }
  const rest = restText(space);
  const count = space.ranges.length === 0 ? "Nothing is mapped" : "Mapped ranges, and the frames behind them";
  elements.push(drawHead(rest === "" ? count : `${count}; ${rest}`, top));
  top += headerHeight;
  let end: bigint | null = null;
  for (const range of space.ranges) {
    if (end !== null && range.start !== end) top += box.gapY;
    elements.push(drawRange(range, top));
    top += boxHeight;
    end = range.start + bytesOf(range);
  }
  const width = 2 * margin + columns * box.width + (columns - 1) * box.gapX;
  return svgDocument({ title: "Address space", width, height: top + margin, elements });
}
