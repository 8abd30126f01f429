/** Whose turns in a worker something is charged to: a course's, and within it a user's. */
import type { Owner } from "../store/types.ts";
import type { Share } from "./worker/shares.ts";

export const shareOf = ({ courseId, ownerId }: Owner): Share[] => [
  { name: courseId, weight: 1 },
  { name: ownerId, weight: 1 },
];
