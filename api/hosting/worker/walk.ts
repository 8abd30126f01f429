/** Walking a machine along a whole route, a turn at a time. */
import type { Route } from "../protocol.ts";
import { Replay } from "./replay.ts";
import type { Resident, ResidentFactory } from "./resident.ts";
import type { Turn } from "./turns.ts";

/** Called before each step and at the end; says how many instructions the step may execute. */
export type BeforeStep = (resident: Resident) => Promise<number> | number;

/** The machine at the route's end. */
export async function walk(
  factory: Pick<ResidentFactory, "create">,
  route: Route,
  turn: Turn,
  before: BeforeStep,
): Promise<Resident> {
  const resident = await factory.create(route.origin, route.sequence, turn);
  const replay = new Replay(resident, route);
  for (;;) {
    const budget = await before(resident);
    const step = await turn(() => replay.step(budget));
    if (step.kind === "done") {
      await before(resident);
      return resident;
    }
    if (step.kind === "needPages") await resident.fetchPages(step.pages, turn);
  }
}
