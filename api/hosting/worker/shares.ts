/**
 * Whose turn it is in a worker: weighted fair shares, course by course, within a course user by user, and within a user's
 * share machine by machine. Start-time fair queueing on every level: of those that can run, the one that has had least for
 * its weight is next; who comes back from having nothing to do begins where the others are, and has saved nothing up.
 *
 * A machine that somebody just typed at goes before the others for a moment. That is lent, not given: it is charged like
 * any other turn, and who is ahead of the others already by as much as is lent gets none.
 *
 * Must hold: whoever could run all the time has had, at any moment, his share but for a few turns' worth and what is lent;
 * somebody's turn comes as long as anybody can run. What is charged outside of turns (turns.ts) counts like any other cost. What a machine computes does not depend on any of this.
 */

/** Whose: names from the course inwards; the last one owns the machine or the job. */
export type Share = readonly string[];
/** Of what its siblings get; above 0. */
export type WeightOf = (share: Share) => number;

/** What is charged is measured by whoever runs it, in milliseconds. */
export const LENT_MS = 50;

/** What somebody has had. */
export interface Use {
  chargedMs: number;
  /** Charged to anybody while he could run: what he might have had. */
  wantedMs: number;
  /** Charged to him at once: so long others had to wait. */
  longestMs: number;
}

export const noUse = (): Use => ({ chargedMs: 0, wantedMs: 0, longestMs: 0 });

export function addUse(to: Use, { chargedMs, wantedMs, longestMs }: Use): void {
  to.chargedMs += chargedMs;
  to.wantedMs += wantedMs;
  to.longestMs = Math.max(to.longestMs, longestMs);
}

interface Node {
  readonly parent: Node | null;
  readonly name: string;
  /** Null: takes turns itself. */
  readonly share: Share | null;
  weight: number;
  readonly children: Map<string, Node>;
  /** What it has had, divided by its weight; comparable with its siblings. */
  had: number;
  /** Where its children are: what the one that was chosen last had had. */
  floor: number;
  /** Could run when it was last looked. */
  active: boolean;
  /** Of a machine that was typed at: how much of what was lent it has left. */
  lent: number;
  /** Since it was asked for last. */
  use: Use;
  /** While it can run: what had been charged to all since it can, or since it was asked for last. */
  since: number;
}

const newNode = (parent: Node | null, name: string, share: Share | null, weight: number): Node => ({
  parent,
  name,
  share,
  weight,
  children: new Map(),
  had: parent?.floor ?? 0,
  floor: 0,
  active: false,
  lent: 0,
  use: noUse(),
  since: 0,
});

export class Shares {
  readonly #root = newNode(null, "", [], 1);
  #weightOf: WeightOf;
  /** Who takes turns, by name. */
  readonly #leaves = new Map<string, Node>();
  /** Of these, those to which something is lent. */
  readonly #favoured = new Set<Node>();
  /** Of these, how many could run when it was last looked. */
  #active = 0;
  /** Of all who were ever here. */
  readonly use: Use = noUse();

  constructor(weightOf: WeightOf) {
    this.#weightOf = weightOf;
  }

  add(name: string, share: Share): void {
    this.delete(name);
    let node = this.#root;
    for (const [level, step] of share.entries()) {
      const path = share.slice(0, level + 1);
      const next = node.children.get(`share ${step}`) ?? newNode(node, `share ${step}`, path, this.#weightOf(path));
      node.children.set(next.name, next);
      node = next;
    }
    const leaf = newNode(node, name, null, 1);
    node.children.set(name, leaf);
    this.#leaves.set(name, leaf);
  }

  delete(name: string): void {
    const leaf = this.#leaves.get(name);
    if (leaf === undefined) return;
    this.#leaves.delete(name);
    this.#favoured.delete(leaf);
    if (leaf.active) this.#active -= 1;
    for (let node: Node = leaf; node.parent !== null && node.children.size === 0; node = node.parent)
      node.parent.children.delete(node.name);
  }

  /** From now on. Who is ahead of his siblings is so by as much as before. */
  reweigh(weightOf: WeightOf): void {
    this.#weightOf = weightOf;
    this.#reweigh(this.#root);
  }

  #reweigh(node: Node): void {
    for (const child of node.children.values()) {
      if (child.share === null) continue;
      const weight = this.#weightOf(child.share);
      const ahead = Math.max(0, child.had - node.floor) * child.weight;
      if (weight !== child.weight && ahead > 0) child.had = node.floor + ahead / weight;
      child.weight = weight;
      this.#reweigh(child);
    }
  }

  /** Somebody waits for an answer of it. */
  favour(name: string): void {
    const leaf = this.#leaves.get(name);
    if (leaf === undefined) return;
    leaf.lent = LENT_MS;
    this.#favoured.add(leaf);
  }

  /** Whose turn it is of those that can run; null when none can. */
  next(canRun: (name: string) => boolean): string | null {
    if (!this.#refresh(this.#root, canRun)) return null;
    const leaf = this.#favourite() ?? leastServed(this.#root);
    for (let node = leaf; node.parent !== null; node = node.parent)
      node.parent.floor = Math.max(node.parent.floor, leastOf(node.parent).had);
    return leaf.name;
  }

  /** By more than is lent, on some level, of whoever has had least there of those that can run. */
  isAhead(name: string): boolean {
    const leaf = this.#leaves.get(name);
    return leaf !== undefined && isAhead(leaf);
  }

  charge(name: string, cost: number): void {
    const leaf = this.#leaves.get(name);
    if (leaf === undefined) return;
    this.#count(leaf, cost);
    leaf.lent -= cost;
    if (leaf.lent <= 0) this.#favoured.delete(leaf);
    serve(leaf, cost);
  }

  /** It has had that elsewhere: its share waits for it, and nobody here was busy meanwhile. */
  owe(name: string, cost: number): void {
    const leaf = this.#leaves.get(name);
    if (leaf !== undefined) serve(leaf, cost);
  }

  /** Since it was asked for last. */
  takeUse(name: string): Use {
    const leaf = this.#leaves.get(name);
    if (leaf === undefined) return noUse();
    this.#settleWanted(leaf);
    const { use } = leaf;
    leaf.use = noUse();
    return use;
  }

  #count(leaf: Node, cost: number): void {
    // Of a command of one that has no turns: it could run while it was carried out.
    const alone = leaf.active ? 0 : cost;
    addUse(leaf.use, { chargedMs: cost, wantedMs: alone, longestMs: cost });
    addUse(this.use, { chargedMs: cost, wantedMs: this.#active * cost + alone, longestMs: cost });
  }

  #settleWanted(leaf: Node): void {
    if (leaf.active) leaf.use.wantedMs += this.use.chargedMs - leaf.since;
    leaf.since = this.use.chargedMs;
  }

  /** Finds who can run now; those who could not before have saved nothing up. True if anybody can. */
  #refresh(node: Node, canRun: (name: string) => boolean): boolean {
    let active = false;
    for (const child of node.children.values()) {
      const isLeaf = child.children.size === 0;
      const can = isLeaf ? canRun(child.name) : this.#refresh(child, canRun);
      if (can && !child.active) child.had = Math.max(child.had, node.floor);
      if (isLeaf && can !== child.active) {
        this.#settleWanted(child);
        this.#active += can ? 1 : -1;
      }
      child.active = can;
      active ||= can;
    }
    // Nobody waits for anybody here: whatever one has had until now, he owes it to nobody who comes later.
    if (!active) for (const { had } of node.children.values()) node.floor = Math.max(node.floor, had);
    return active;
  }

  #favourite(): Node | null {
    for (const leaf of this.#favoured) if (leaf.active && !isAhead(leaf)) return leaf;
    return null;
  }
}

function serve(leaf: Node, cost: number): void {
  for (let node: Node | null = leaf; node !== null; node = node.parent) node.had += cost / node.weight;
}

function isAhead(leaf: Node): boolean {
  for (let node = leaf; node.parent !== null; node = node.parent) {
    const least = leastActive(node.parent);
    if (least !== null && (node.had - least.had) * node.weight >= LENT_MS) return true;
  }
  return false;
}

function leastActive(node: Node): Node | null {
  let least: Node | null = null;
  for (const child of node.children.values())
    if (child.active && (least === null || child.had < least.had)) least = child;
  return least;
}

const leastOf = (node: Node): Node => leastActive(node)!;

function leastServed(root: Node): Node {
  let node = root;
  while (node.children.size > 0) node = leastOf(node);
  return node;
}
