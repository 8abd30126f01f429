/** Class lists as CSV: user, name, role; the last two may be missing. A first line that begins with "user" is a heading. */
import { UsageError } from "./failure.ts";

export interface RosterEntry {
  userId: string;
  name: string;
  /** Empty: the one that the command says. */
  role: string;
}

const MOST_FIELDS = 3;

export function readRoster(text: string, file: string): RosterEntry[] {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  const rows = lines.map((line, index) => ({
    fields: fieldsOf(line, `${file}, line ${index + 1}`),
    number: index + 1,
  }));
  const entries = rows.filter(({ fields }) => fields.some((field) => field !== ""));
  const [first] = entries;
  const named = first !== undefined && /^user([ _-]?id)?$/i.test(first.fields[0]!) ? entries.slice(1) : entries;
  return named.map(({ fields, number }) => {
    const [userId = "", name = "", role = ""] = fields;
    if (userId === "" || fields.length > MOST_FIELDS)
      throw new UsageError(
        `${file}, line ${number}: not a member`,
        'a line is user,name,role, for example ada,"Lovelace, Ada",student',
      );
    return { userId, name, role: role.toLowerCase() };
  });
}

/** Of one line: quoted where there is a comma or a quote in it, as RFC 4180 says. */
function fieldsOf(line: string, where: string): string[] {
  const fields: string[] = [];
  const field = /\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)/y;
  for (let more = true; more; ) {
    const match = field.exec(line);
    if (match === null) throw new UsageError(`${where}: a quotation mark is not closed`, 'write "" for one inside');
    fields.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? "").trim());
    more = match[3] === ",";
  }
  return fields;
}

/** A field of CSV: quoted if it must be, and never a formula to the spreadsheet that opens it. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
