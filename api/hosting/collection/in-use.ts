/**
 * Snapshots that somebody is about to build on, so that thinning leaves them alone until that has a row of its own; and
 * those that thinning is about to delete, so that nobody begins to.
 */
export class InUse {
  readonly #held = new Map<string, number>();
  readonly #going = new Set<string>();

  /** False: it is being deleted. Otherwise it stays until it has been let go of as often as it was held. */
  hold(id: string): boolean {
    if (this.#going.has(id)) return false;
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    return true;
  }

  letGo(id: string): void {
    const left = (this.#held.get(id) ?? 0) - 1;
    if (left > 0) this.#held.set(id, left);
    else this.#held.delete(id);
  }

  /** Deletes those that nobody holds. */
  async deleting<T>(ids: readonly string[], work: (free: string[]) => Promise<T>): Promise<T> {
    const free = ids.filter((id) => !this.#held.has(id));
    for (const id of free) this.#going.add(id);
    try {
      return await work(free);
    } finally {
      for (const id of free) this.#going.delete(id);
    }
  }
}
