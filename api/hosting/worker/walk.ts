/** Walking a machine along a whole route, with turns for others on the way. */
import type { Route } from "../protocol.ts";
import { Replay } from "./replay.ts";
import type { Resident, ResidentFactory } from "./resident.ts";

export interface Walker {
  /** Called before each step: waits for its turn, and says how many instructions the step may execute. */
  before(resident: Resident): Promise<number>;
}

/** The machine at the route's end. */
export async function walk(factory: ResidentFactory, route: Route, walker: Walker): Promise<Resident> {
  const resident = await factory.create(route.origin, route.sequence);
  const replay = new Replay(resident, route);
  for (;;) {
    const step = replay.step(await walker.before(resident));
    if (step.kind === "done") {
      await walker.before(resident);
      return resident;
    }
    if (step.kind === "needPages") await resident.fetchPages(step.pages);
    else await nextTurn();
  }
}

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
