/** Whose turns in a worker something is charged to: a course's, and within it a user's. */
import type { Owner } from "../store/types.ts";
import type { Share } from "./worker/shares.ts";

export const shareOf = ({ courseId, ownerId }: Owner): Share => [courseId, ownerId];
