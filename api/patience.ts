/** How slowly requests may arrive, over either transport, and what is said to those that arrive more slowly. */
import { malformed, type OstlerError } from "./errors.ts";

export interface Patience {
  readonly lookEveryMs: number;
  readonly leastBytesPerLook: number;
}

/** A kilobyte a second. */
export const defaultPatience: Patience = { lookEveryMs: 30_000, leastBytesPerLook: 30 * 1024 };

export const requestTimeout = (): OstlerError =>
  malformed("REQUEST_TIMEOUT", "The request did not arrive in time.", { httpStatus: 408 });
