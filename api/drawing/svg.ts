/** What all SVG pictures are made of: the document, boxes of two lines, and arms between them. */

export const margin = 20;
export const headerHeight = 30;

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** Names come from guests: what XML cannot have is shown as a question mark. */
export const xmlText = (text: string): string =>
  text.replace(/[^\x20-\x7e\u00a0-\ud7ff]/g, "?").replace(/[&<>"']/g, (letter) => escapes[letter]!);

const shortened = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 3)}...` : text;

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  /** What it is, as its CSS class. */
  kind: string;
  width: number;
  fill: string;
  /** Cut where the box ends. */
  lines: readonly [string, string];
  /** All that is known, shown when the pointer rests on it. */
  title: readonly string[];
}

export const boxHeight = 44;

/** Letters are 7.3 wide in the first line, and 6.7 in the second. `inside` is drawn over the box, below its text. */
export function drawBox({ kind, x, y, width, fill, lines, title }: Box, inside = ""): string {
  return [
    `<g class="${kind}"><title>${title.map(xmlText).join("&#10;")}</title>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${boxHeight}" rx="4" fill="${fill}"/>`,
    inside,
    `<text x="${x + 8}" y="${y + 18}">${xmlText(shortened(lines[0], Math.floor((width - 12) / 7.3)))}</text>`,
    `<text x="${x + 8}" y="${y + 35}" class="where">${xmlText(shortened(lines[1], Math.floor((width - 12) / 6.7)))}</text></g>`,
  ].join("");
}

/** From the middle of a box's right side to that of another's left side. */
export function drawArm(from: Point & { width: number }, to: Point): string {
  const [x1, y1] = [from.x + from.width, from.y + boxHeight / 2];
  return `<path d="M${x1} ${y1}H${(x1 + to.x) / 2}V${to.y + boxHeight / 2}H${to.x}"/>`;
}

export const drawHead = (text: string, y: number): string =>
  `<text x="${margin}" y="${y + 10}" class="head">${xmlText(text)}</text>`;

const style =
  "text{font:12px monospace;fill:#212529}.where{font-size:11px;fill:#495057}.head{font-weight:bold}" +
  "rect{stroke:#6c757d}path{fill:none;stroke:#6c757d;stroke-width:1.5}";

interface Document {
  title: string;
  width: number;
  height: number;
  elements: readonly string[];
}

export function svgDocument({ title, width, height, elements }: Document): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${xmlText(title)}</title>`,
    `<style>${style}</style>`,
    `<rect width="${width}" height="${height}" fill="#ffffff" stroke="none"/>`,
    ...elements,
    "</svg>",
    "",
  ].join("\n");
}
