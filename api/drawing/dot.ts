/** What all texts for Graphviz are made of. Names come from guests: nothing in them ends a string or a line. */

export const quoted = (text: string): string => `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/[\\"]/g, "\\$&")}"`;

/** The inside of a quoted label: a line for each text that is not empty. */
export const label = (...lines: string[]): string =>
  lines
    .filter((line) => line !== "")
    .map((line) => quoted(line).slice(1, -1))
    .join("\\n");

export const dotDocument = (name: string, statements: readonly string[]): string =>
  `${[
    `digraph ${name} {`,
    "  rankdir=LR;",
    '  node [fontname="monospace", fontsize=10];',
    ...statements.map((statement) => `  ${statement}`),
    "}",
  ].join("\n")}\n`;
