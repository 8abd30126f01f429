/**
 * Sequences of instructions that the interpreter executes at once (assembly/fuse.ts), chosen by how much of what large programs
 * execute they are: SQLite, xz, Lua, Python, Bash. What a sequence does is not said anywhere: its case of the dispatch loop is
 * made of the cases of its parts, which is why all but the last have to be instructions that always lead to the next.
 */
import { firstTerminator, type RecordedName, recordedNames } from "./operations.ts";

const SEQUENCES = [
  ["LdC", "LdC", "LdC", "LdC"],
  ["LdC", "LdC"],
  ["SdC", "SdC", "SdC", "SdC"],
  ["SdC", "SdC", "SdC"],
  ["SdC", "SdC"],
  ["MvC", "MvC", "MvC"],
  ["MvC", "MvC"],
  ["Ld", "Ld"],
  ["Sd", "Sd"],
  ["Sb", "Sb"],
  ["LdC", "LdC", "AddiC", "Jr"],
  ["MvC", "LdC", "AddiC", "Jr"],
  ["LdC", "AddiC", "Jr"],
  ["AddiC", "Jr"],
  ["AddiC", "SdC"],
  ["LdC", "SdC"],
  ["LdC", "MvC"],
  ["MvC", "LdC"],
  ["LdC", "Addi"],
  ["LdC", "Ld", "XorC", "LiC"],
  ["Ld", "SdC", "LiC"],
  ["SdC", "LiC"],
  ["LiC", "LiC"],
  ["Auipc", "Ld", "Jalr"],
  ["Auipc", "Ld"],
  ["Auipc", "Addi"],
  ["Li", "Addi"],
  ["MvC", "MvC", "JalFar"],
  ["MvC", "JalFar"],
  ["AddiC", "JalFar"],
  ["SlliC", "AddC"],
  ["Slli", "AddC"],
  ["SlliC", "Addi"],
  ["Slli", "Srli"],
  ["Slli", "SrliC"],
  ["AddC", "AddC"],
  ["AddC", "Ld"],
  ["AddC", "Lbu"],
  ["LwC", "AddC", "Jr"],
  ["Add", "Lbu", "Lbu", "AddiC"],
  ["Lbu", "Lbu"],
  ["Lbu", "AddiC", "Jump"],
  ["Lbu", "Addi"],
  ["Lbu", "MvC"],
  ["Addiw", "Addiw"],
  ["MvC", "BeqC"],
  ["MvC", "Beq"],
  ["MvC", "Bgeu"],
  ["LdC", "BeqC"],
  ["LiC", "Beq"],
  ["AddiwC", "BeqC"],
  ["Addiw", "Beq"],
  ["AddiC", "Bne"],
  ["Addi", "Bne"],
  ["Sub", "Beq"],
  ["LdC", "Slli"],
  ["LdC", "LiC"],
  ["LdC", "Andi"],
  ["LdC", "Jalr"],
  ["LdC", "Beq"],
  ["LdC", "MvC", "Bge"],
  ["SdC", "JalFar"],
  ["MvC", "Jump"],
  ["MvC", "MvC", "Bgeu"],
  ["MvC", "MvC", "BeqC"],
  ["MvC", "MvC", "MvC", "MvC"],
  ["MvC", "Addi"],
  ["Ld", "Ld", "Ld", "Ld"],
  ["Sd", "Jump"],
  ["Sb", "Sb", "Sb", "Sb"],
  ["AddiC", "SdC", "SdC", "SdC"],
  ["AddiC", "MvC"],
  ["AddiC", "SdC", "SdC"],
  ["AddiC", "Sd"],
  ["AddiC", "SdC", "MvC", "LdC"],
  ["AddiC", "Bltu"],
  ["AddiC", "Auipc", "Ld"],
  ["AddiC", "MvC", "Addiw", "Beq"],
  ["AddiC", "AddC"],
  ["LiC", "SdC"],
  ["LiC", "BeqC"],
  ["LiC", "Bgeu"],
  ["Auipc", "Lbu"],
  ["Auipc", "Lw"],
  ["SlliC", "AddC", "Lw"],
  ["SlliC", "SrliC"],
  ["Slli", "Blt"],
  ["Slli", "LiC"],
  ["Slli", "AddC", "Lhu"],
  ["AddC", "Lhu"],
  ["AddC", "SubC"],
  ["AddC", "Slliw"],
  ["AddC", "SubC", "Jump"],
  ["AddC", "Jump"],
  ["LwC", "LwC"],
  ["Add", "Add"],
  ["Add", "Add", "Lbu", "Lbu"],
  ["Addiw", "AddiwC", "BeqC"],
  ["Addiw", "Bltu"],
  ["AddiwC", "Bne"],
  ["AddiwC", "Jump"],
  ["AddiwC", "Bltu"],
  ["Addi", "Beq"],
  ["Addi", "Ld"],
  ["Addi", "Addi"],
  ["Slliw", "Srliw"],
  ["Lw", "Lw"],
  ["Andi", "BeqC"],
  ["Andi", "BneC"],
  ["Sw", "Sw"],
  ["AndiC", "BneC"],
  ["AndiC", "BeqC"],
  ["Addw", "Addw"],
  ["Srliw", "AddC", "Lbu"],
  ["Srliw", "Addw"],
] as const satisfies readonly (readonly RecordedName[])[];

type Sequence = readonly RecordedName[];
export const sequences: readonly Sequence[] = SEQUENCES;

const nameOf = (sequence: Sequence): string => sequence.join("_");

/** What the dispatch loop calls them: numbers behind those of single instructions. */
export const fusedNames: readonly string[] = sequences.map(nameOf);

const CASE = /^ {6}case Op\.(\w+): ?(.*(?:\n(?! {6}(?:case|default)\b).*)*)/gm;

/** The cases of the dispatch loop, `loop`, by the name of their operation. */
function casesOf(loop: string): Map<string, string> {
  return new Map([...loop.matchAll(CASE)].map(([, name = "", body = ""]) => [name, body.trimEnd()]));
}

/** The case of an instruction that others follow in a sequence: it goes on behind itself instead of being dispatched. */
function leading(name: RecordedName, body: string): string {
  const goesOn = /(p \+= (?:FULL|HALF);\s*)continue;(\s*\}?)$/;
  const jumps = recordedNames.indexOf(name) >= recordedNames.indexOf(firstTerminator);
  if (jumps || !goesOn.test(body)) throw new Error(`${name} does not always lead to the next instruction`);
  return body.replace(goesOn, "$1$2");
}

/** The cases of all sequences, made of those in the dispatch loop. */
export function fusedCases(loop: string): string {
  const cases = casesOf(loop);
  const parts = (name: RecordedName, last: boolean): string => {
    const body = cases.get(name);
    if (body === undefined) throw new Error(`the dispatch loop has no case for ${name}`);
    return last ? body : leading(name, body);
  };
  return sequences
    .map((sequence) => {
      const bodies = sequence.map((name, i) => parts(name, i === sequence.length - 1));
      return `      case Op.${nameOf(sequence)}: {\n        ${bodies.join("\n        ")}\n      }`;
    })
    .join("\n");
}

/** Which sequence begins at the record p, in the language of the interpreter's sources: the longest there is. */
function finder(before: Sequence, at: string): string[] {
  const depth = before.length;
  const longer = sequences.filter((sequence) => before.every((name, i) => sequence[i] === name));
  const next = new Set(longer.flatMap((sequence) => sequence[depth] ?? []));
  const own = longer.some((sequence) => sequence.length === depth) ? [`return Op.${nameOf(before)};`] : [];
  if (next.size === 0) return own;
  const record = depth === 0 ? at : `p${depth}`;
  const indent = (lines: string[]): string[] => lines.map((line) => `  ${line}`);
  return [
    ...(depth === 0 ? [] : [`const ${record} = ${at} + delta(${at});`]),
    depth === 0 ? `switch (opOf(${record})) {` : `switch (following(p, ${record})) {`,
    ...[...next].flatMap((name) => [
      `  case Op.${name}: {`,
      ...indent(indent(finder([...before, name], record))),
      "    break;",
      "  }",
    ]),
    "  default:",
    "}",
    ...own,
  ];
}

export const sequenceFinder: string = finder([], "p").join("\n");
