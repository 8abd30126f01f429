/**
 * Long work in short pieces. The driver answers without ever leaving the JavaScript thread, so awaiting a statement
 * does not let anything else of the server run: only a turn of the event loop does.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

export { nextTurn };

/** The runs of runsOf, with a turn of the event loop between them. */
export async function* pacedRuns<T>(...list: Parameters<typeof runsOf<T>>): AsyncGenerator<T[]> {
  let isFirst = true;
  for (const run of runsOf(...list)) {
    if (!isFirst) await nextTurn();
    isFirst = false;
    yield run;
  }
}

/** Cuts a list into runs of at most `count` items and, if sizes are given, about `bytes` bytes. */
export function* runsOf<T>(
  items: readonly T[],
  count: number,
  bytes = Infinity,
  sizeOf: (item: T) => number = () => 0,
): Generator<T[]> {
  let run: T[] = [];
  let size = 0;
  for (const item of items) {
    if (run.length === count || (run.length > 0 && size + sizeOf(item) > bytes)) {
      yield run;
      run = [];
      size = 0;
    }
    run.push(item);
    size += sizeOf(item);
  }
  if (run.length > 0) yield run;
}
