/** Whether pictures are well-formed, for tests. */

/** Throws unless every tag is closed in order and every attribute quoted. Enough for what has no comments. */
export function checkXml(text: string): void {
  const open: string[] = [];
  const body = text.replace(/^<\?xml [^?]*\?>\n/, "");
  const token = /<(\/?)([a-z]+)((?: [a-zA-Z:]+="[^"<&]*")*)(\/?)>|&(?:amp|lt|gt|quot|apos|#\d+);|[^<&]/gy;
  let end = 0;
  for (const match of body.matchAll(token)) {
    end = match.index + match[0].length;
    if (match[2] === undefined || match[4] === "/") continue;
    if (match[1] !== "/") open.push(match[2]);
    else if (open.pop() !== match[2]) throw new Error(`</${match[2]}> closes something else`);
  }
  if (end !== body.length) throw new Error(`not XML: ${body.slice(end, end + 80)}`);
  if (open.length > 0) throw new Error(`never closed: ${open}`);
}

/** Throws unless every line is a statement of the few forms that are drawn, and every subgraph is closed. */
export function checkDot(text: string): void {
  const string = '"(?:[ !#-\\[\\]-~]|\\\\[\\\\"n])*"';
  const attributes = ` \\[[a-z]+=(?:${string}|[a-z]+)(?:, [a-z]+=(?:${string}|[a-z0-9]+))*\\]`;
  const statement = new RegExp(
    `^ +(?:[a-zA-Z]+=(?:${string}|[A-Z]+)|(?:node|${string}(?: -> ${string})?)(?:${attributes})?);$`,
  );
  const lines = text.trimEnd().split("\n");
  let open = 0;
  for (const [index, line] of lines.entries()) {
    if (index === 0 ? /^digraph [a-z_]+ \{$/.test(line) : /^ +subgraph cluster_[a-z0-9]+ \{$/.test(line)) open += 1;
    else if (/^ *\}$/.test(line)) open -= 1;
    else if (!statement.test(line)) throw new Error(`not DOT: ${line}`);
    if (open === 0 && index !== lines.length - 1) throw new Error(`ends before ${lines[index + 1]}`);
  }
  if (open !== 0) throw new Error("never closed");
}
