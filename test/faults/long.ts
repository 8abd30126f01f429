/** Whether this is `npm run faults`, which has time for everything; `npm test` has what finds most. */
import process from "node:process";

export const isLong = process.env["OSTLER_FAULTS"] === "long";
