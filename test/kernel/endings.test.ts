/** Steps that put more steps before the rest come in the order of calls within each other, however deep. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { inOrder, lastStep, noEndings, type Step, step } from "../../kernel/thread/endings.ts";

/** What a step does: a last one goes through one list, as the last thing; others through several, and then do more. */
interface Work {
  readonly isLast: boolean;
  readonly lists: readonly (readonly Work[])[];
}

const { list } = fc.letrec<{ work: Work; list: Work[] }>((tie) => ({
  work: fc.oneof(
    tie("list").map((only): Work => ({ isLast: true, lists: [only] })),
    fc.array(tie("list"), { maxLength: 3 }).map((lists): Work => ({ isLast: false, lists })),
  ),
  list: fc.oneof({ depthSize: "small" }, fc.constant<Work[]>([]), fc.array(tie("work"), { maxLength: 4 })),
}));

/** What is noted of a list, whose steps are gone through by `through`. */
function notesOf(work: readonly Work[], through: (steps: readonly Step[]) => void): string[] {
  const notes: string[] = [];
  const stepOf = ({ isLast, lists }: Work, name: string): Step => {
    const all = lists.map((each, i) => each.map((inner, at) => stepOf(inner, `${name}.${i}.${at}`)));
    if (isLast)
      return lastStep(() => {
        notes.push(name);
        through(all[0]!);
      });
    return step(() => {
      notes.push(name);
      for (const steps of all) {
        through(steps);
        notes.push(`${name} goes on`);
      }
    });
  };
  through(work.map((each, at) => stepOf(each, `${at}`)));
  notes.push("done");
  return notes;
}

test("steps come in the order of calls within each other, and none is left", () => {
  fc.assert(
    fc.property(list, (work) => {
      const endings = noEndings();
      const notes = notesOf(work, (steps) => inOrder({ endings }, steps));
      const calls = (steps: readonly Step[]): void => {
        for (const { run } of steps) run();
      };
      expect(notes).toEqual(notesOf(work, calls));
      expect(endings).toEqual(noEndings());
    }),
  );
});

test("a chain of last steps takes no stack", () => {
  const endings = noEndings();
  let left = 100_000;
  const next = (): Step => lastStep(() => (left-- > 0 ? inOrder({ endings }, [next(), step(() => {})]) : undefined));
  inOrder({ endings }, [next()]);
  expect([left, endings]).toEqual([-1, noEndings()]);
});
