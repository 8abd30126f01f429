/**
 * Keyset paging: a token is the key of the last row that was seen, so a page costs the same wherever it lies and
 * rows that come or go meanwhile shift nothing. Rows are ordered by (createdAt, then the named text columns).
 */
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "./limits.ts";
import { InvalidPageTokenError, type Page, type PageQuery } from "./types.ts";

export interface PageKey {
  createdAt: Date;
  /** Further columns of the key, as text. */
  rest: string[];
}

export const sizeOfPage = ({ pageSize }: PageQuery): number =>
  pageSize > 0 ? Math.min(Math.trunc(pageSize), MAX_PAGE_SIZE) : DEFAULT_PAGE_SIZE;

/** `list` names the method, so that a token of one list is not taken for another's. */
export function encodeToken(list: string, { createdAt, rest }: PageKey): string {
  return Buffer.from(JSON.stringify([list, createdAt.getTime(), ...rest])).toString("base64url");
}

/** Null for the first page. */
export function decodeToken(list: string, restLength: number, { pageToken }: PageQuery): PageKey | null {
  if (pageToken === "") return null;
  const parts = parse(pageToken);
  const [name, time, ...rest] = parts;
  const isOurs = name === list && Number.isSafeInteger(time) && Math.abs(time as number) <= 8.64e15;
  if (!isOurs || rest.length !== restLength || !rest.every((part) => typeof part === "string")) {
    throw new InvalidPageTokenError(
      "This page token does not belong to this list. Use next_page_token of the page before.",
    );
  }
  return { createdAt: new Date(time as number), rest: rest as string[] };
}

function parse(token: string): unknown[] {
  try {
    const bytes = Buffer.from(token, "base64url");
    const value: unknown = bytes.toString("base64url") === token ? JSON.parse(bytes.toString("utf8")) : null;
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** The filter "after this key" for a table keyed by (createdAt, id). */
export const afterKey = (key: PageKey | null) =>
  key === null
    ? {}
    : { OR: [{ createdAt: { gt: key.createdAt } }, { createdAt: key.createdAt, id: { gt: key.rest[0]! } }] };

export const byKey = [{ createdAt: "asc" as const }, { id: "asc" as const }];

/** `rows` were asked for with one more than the page holds: its presence tells that there is more. */
export function pageOf<Row, Item>(
  list: string,
  query: PageQuery,
  rows: readonly Row[],
  keyOf: (row: Row) => PageKey,
  itemOf: (row: Row) => Item,
): Page<Item> {
  const size = sizeOfPage(query);
  const shown = rows.slice(0, size);
  return {
    items: shown.map(itemOf),
    nextPageToken: rows.length > size ? encodeToken(list, keyOf(shown.at(-1)!)) : "",
  };
}

export const idKey = (row: { createdAt: Date; id: string }): PageKey => ({ createdAt: row.createdAt, rest: [row.id] });
