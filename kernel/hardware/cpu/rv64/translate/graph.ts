/**
 * The flow of control of a region in a form that WebAssembly's structured control can express: a reducible graph, its
 * reverse postorder and its dominator tree (N. Ramsey, "Beyond Relooper", 2022).
 *
 * One more node than there are blocks, the dispatch, branches to one of many blocks by number. Indirect jumps lead to it,
 * and every edge to a block that would make the graph irreducible is made to lead through it.
 */

export interface Graph {
  /** Number of the dispatch node: the number of blocks. */
  dispatch: number;
  successors: number[][];
  predecessors: number[][];
  /** Place in reverse postorder; -1 for what cannot be reached. */
  position: number[];
  /** Those dominated immediately that more than one edge leads forward to, last in the order first. */
  merges: number[][];
  isMerge: boolean[];
  isLoop: boolean[];
  /** Blocks that are reached through the dispatch only. */
  routed: Set<number>;
}

/** `plain` are the successors of each block; `jumps` tells which end with an indirect jump to one of `targets`. */
export function structure(plain: readonly number[][], jumps: readonly boolean[], targets: readonly number[]): Graph {
  const routed = new Set<number>();
  for (;;) {
    const successors = withDispatch(plain, jumps, targets, routed);
    const position = reversePostorder(successors);
    const predecessors = invert(successors, position);
    const dominator = dominators(predecessors, position);
    const culprit = irreducible(successors, position, dominator);
    if (!culprit) return finish(successors, predecessors, position, dominator, routed);
    const [from, to] = culprit;
    if (to !== plain.length) routed.add(to);
    else if (targets.every((target) => routed.has(target))) routed.add(from);
    else for (const target of targets) routed.add(target);
  }
}

function withDispatch(
  plain: readonly number[][],
  jumps: readonly boolean[],
  targets: readonly number[],
  routed: Set<number>,
): number[][] {
  const dispatch = plain.length;
  const successors = plain.map((list, block) => {
    // Two edges to the same node stay two: the node is then not simply put where it is needed.
    const out = list.map((to) => (routed.has(to) ? dispatch : to));
    return jumps[block] && targets.length > 0 ? [...out, dispatch] : out;
  });
  successors.push([...new Set([...targets, ...routed])]);
  return successors;
}

function reversePostorder(successors: readonly number[][]): number[] {
  const position = successors.map(() => -1);
  const done: number[] = [];
  const visited = new Set([0]);
  const path = [{ node: 0, next: 0 }];
  while (path.length > 0) {
    const top = path[path.length - 1] as { node: number; next: number };
    const to = successors[top.node]?.[top.next++];
    if (to === undefined) {
      done.push(top.node);
      path.pop();
    } else if (!visited.has(to)) {
      visited.add(to);
      path.push({ node: to, next: 0 });
    }
  }
  done.reverse().forEach((node, index) => {
    position[node] = index;
  });
  return position;
}

function invert(successors: readonly number[][], position: readonly number[]): number[][] {
  const predecessors: number[][] = successors.map(() => []);
  successors.forEach((list, from) => {
    if (position[from] !== -1) for (const to of list) predecessors[to]?.push(from);
  });
  return predecessors;
}

/** Immediate dominators (K. Cooper, T. Harvey, K. Kennedy, "A Simple, Fast Dominance Algorithm", 2001). */
function dominators(predecessors: readonly number[][], position: readonly number[]): number[] {
  const order = position.map((_, node) => node).filter((node) => position[node] !== -1);
  order.sort((a, b) => (position[a] as number) - (position[b] as number));
  const dominator = position.map(() => -1);
  dominator[0] = 0;
  const common = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      if ((position[x] as number) > (position[y] as number)) x = dominator[x] as number;
      else y = dominator[y] as number;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of order.slice(1)) {
      let found = -1;
      for (const from of predecessors[node] as number[]) {
        if (dominator[from] !== -1) found = found === -1 ? from : common(from, found);
      }
      if (dominator[node] === found) continue;
      dominator[node] = found;
      changed = true;
    }
  }
  return dominator;
}

/** An edge back to a node that does not dominate where it comes from. */
function irreducible(
  successors: readonly number[][],
  position: readonly number[],
  dominator: readonly number[],
): [from: number, to: number] | undefined {
  for (let from = 0; from < successors.length; from++) {
    if (position[from] === -1) continue;
    for (const to of successors[from] as number[]) {
      if ((position[to] as number) > (position[from] as number)) continue;
      let node = from;
      while (node !== to && node !== 0) node = dominator[node] as number;
      if (node !== to) return [from, to];
    }
  }
  return undefined;
}

function finish(
  successors: number[][],
  predecessors: number[][],
  position: number[],
  dominator: number[],
  routed: Set<number>,
): Graph {
  const dispatch = successors.length - 1;
  const before = (a: number, b: number): boolean => (position[a] as number) < (position[b] as number);
  const forward = predecessors.map((list, node) => list.filter((from) => before(from, node)));
  const isMerge = forward.map((list) => list.length > 1 || list.includes(dispatch));
  const isLoop = predecessors.map((list, node) => list.some((from) => !before(from, node)));
  const merges: number[][] = successors.map(() => []);
  dominator.forEach((over, node) => {
    if (node !== 0 && over !== -1 && isMerge[node]) merges[over]?.push(node);
  });
  for (const list of merges) list.sort((a, b) => (position[b] as number) - (position[a] as number));
  return { dispatch, successors, predecessors, position, merges, isMerge, isLoop, routed };
}
