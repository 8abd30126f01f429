/** Bounds of the store. The embedded database runs on the event loop: what bounds a statement bounds a pause. */

/** Waiting is bounded by our own queue; Prisma's timers would only break a long transaction in half. */
export const NO_TIMEOUT_MS = 10 * 60 * 1000;

/** Console output kept for one machine; what is older is dropped. */
export const CONSOLE_HISTORY_BYTES = 1024 * 1024;
/** History is cut to this when it outgrows CONSOLE_HISTORY_BYTES, so that the next cut is far away. */
export const CONSOLE_TRIMMED_BYTES = (CONSOLE_HISTORY_BYTES / 4) * 3;
/** Console rows end at multiples of this. */
export const CONSOLE_BLOCK_BYTES = 4096;

export const ROWS_PER_STATEMENT = 250;
export const BYTES_PER_STATEMENT = 256 * 1024;
/** A larger put uses several transactions, so that journal commits are not stuck behind it. */
export const BYTES_PER_TRANSACTION = 2 * 1024 * 1024;
/** Content that is larger than this is stored in pieces; `pieces.ts` says why their length is fixed. */
export const WHOLE_BYTES = 4 * 1024 * 1024;
export const PIECE_BYTES = 256 * 1024;
export const HASHES_PER_QUERY = 500;
export const BLOBS_PER_READ = 64;
/** A page takes two of the database's own, each of which is written to the log when it is let go. */
export const BLOBS_PER_DELETE = 64;
/** Blobs, and bytes of them, that are compressed in one transaction, with turns of the event loop between so many. */
export const BLOBS_PER_COMPRESSION = 128;
export const BYTES_PER_COMPRESSION = 512 * 1024;
export const COMPRESSED_PER_TURN = 16;
/** What is shorter shares a page of the database with its neighbours as it is. */
export const LEAST_COMPRESSED_BYTES = 512;
export const JOURNAL_ROWS_PER_READ = 500;

/** So many small writers share a transaction: the last of them waits for the work of all. */
export const WRITERS_PER_TRANSACTION = 32;
/** One group commit takes no more than this; the rest waits for the next. */
export const BATCHES_PER_GROUP = 256;
export const BYTES_PER_GROUP = 4 * 1024 * 1024;
/** Machines whose rows are remembered from one commit to the next. */
export const KNOWN_STANDINGS = 4096;
/** Scopes whose machines are counted once. */
export const KEPT_COUNTS = 2048;

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 500;

/** Rows that one step of a collection looks at. */
export const NAMINGS_PER_PAGE = 200;
/** The same for journal entries, most of which are small and are passed over by the database itself. */
export const JOURNAL_ROWS_PER_SCAN = 5_000;
export const JOURNAL_BYTES_PER_SCAN = 4 * 1024 * 1024;
