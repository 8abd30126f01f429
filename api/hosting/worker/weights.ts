/**
 * What a course gets of what other courses get, and in a course a user of what others do. Both are 100 where nobody said
 * anything else.
 */
import { ALL_MEMBERS, EACH_MEMBER, type QuotaHolder } from "../../store/people.ts";
import type { Share } from "./shares.ts";

export const ORDINARY_WEIGHT = 100;

/** One that somebody set: of a course (all its members), of each of its members who has none of his own, or of a member. */
export interface WeightRow extends QuotaHolder {
  weight: number;
}

export class Weights {
  readonly #rows: ReadonlyMap<string, number>;

  constructor(rows: readonly WeightRow[]) {
    this.#rows = new Map(rows.map(({ courseId, userId, weight }) => [keyOf(courseId, userId), weight]));
  }

  /** Of a course's share, or of a user's in it. */
  of([courseId = "", userId = ALL_MEMBERS]: Share): number {
    return this.own({ courseId, userId }) ?? this.#ofEach(courseId, userId) ?? ORDINARY_WEIGHT;
  }

  own({ courseId, userId }: QuotaHolder): number | undefined {
    return this.#rows.get(keyOf(courseId, userId));
  }

  #ofEach(courseId: string, userId: string): number | undefined {
    return userId === ALL_MEMBERS ? undefined : this.#rows.get(keyOf(courseId, EACH_MEMBER));
  }
}

const keyOf = (courseId: string, userId: string): string => `${courseId}\0${userId}`;
