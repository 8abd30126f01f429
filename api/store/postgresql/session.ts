/**
 * A session of the database that is not there within some seconds is given up.
 *
 * The pool's own patience is for those, too, who wait for a session that is in use: with it a busy server would call a
 * database away that answers as fast as it can. So the pool has none, and a connection that was given up speaks for those
 * who would try again at once, however many wait: none of them waits as long once more.
 */
import { Client, type ClientConfig } from "pg";

const CONNECT_PATIENCE_MS = 5_000;
const NEWS_MS = 250;
/** What the driver says of a connection that it gave up. */
const GIVEN_UP = "timeout expired";

type Connected = (error: Error) => void;

/** The class of a pool's sessions. */
export function impatientSession(): typeof Client {
  let lost = { at: Number.NEGATIVE_INFINITY, error: new Error(GIVEN_UP) };
  class Impatient extends Client {
    constructor(config?: string | ClientConfig) {
      super({ ...(config as ClientConfig), connectionTimeoutMillis: CONNECT_PATIENCE_MS });
    }

    /** As the pool calls it. */
    override connect(connected?: unknown): never {
      const done = connected as Connected;
      if (performance.now() - lost.at < NEWS_MS) return setImmediate(done, lost.error) as never;
      return super.connect((error: Error | null) => {
        if (error?.message === GIVEN_UP) lost = { at: performance.now(), error };
        done(error as Error);
      }) as never;
    }
  }
  return Impatient;
}
