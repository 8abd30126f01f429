/** Places that the command line itself opens: data directories and databases that no server has. */
import { isPostgresqlUrl } from "../config.ts";
import { whyUnusable } from "../start-error.ts";
import { CommandError } from "./failure.ts";

/** For what using a place threw: the same as a sentence, where the place is to blame. */
export const explainPlace =
  (place: string, name = isPostgresqlUrl(place) ? "the database" : place) =>
  (error: unknown): never => {
    const why = whyUnusable(error, place);
    if (why === null) throw error;
    // A URL has a password in it.
    throw new CommandError(`${name} cannot be used: ${why}`);
  };
