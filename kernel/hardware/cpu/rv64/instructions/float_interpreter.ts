/** What the interpreter's floating point (assembly/float, and cases of its loop) has of the rows of float.ts. */
import { treeText } from "./decoder.ts";
import { treeOf } from "./encoding.ts";
import { type FloatInstruction, floatInstructions, type Host } from "./float.ts";
import { hasRounding } from "./form.ts";
import { inRecord, textOf } from "./spoken.ts";

type WithHost = FloatInstruction & { host: Host };
const hosted = floatInstructions.filter((row): row is WithHost => row.host !== undefined);

/** fcvt.d.w: fcvtDW. */
const functionName = ({ mnemonic }: FloatInstruction): string =>
  mnemonic.replaceAll(/\.([a-z]+)/g, (_, letters: string) => letters.toUpperCase());

/** A single as an f64 is widened. */
function valueText({ value, source }: Host): string {
  return textOf(value, (e) =>
    source === "f32" && e.as === "f64" ? `<f64>${inRecord({ ...e, as: "f32" })}` : inRecord(e),
  );
}

/** What must hold of the operands. */
function operandConditions({ form, host: { source, ordered } }: WithHost): string[] {
  const registers = (["rs1", "rs2"] as const).filter((name) => {
    const operand = form[name];
    return typeof operand === "object" && operand.file === "f";
  });
  const values = registers.map((name) => `${name}(p)`);
  return [
    ...(source === "f32" && values.length > 0 ? [`boxed(${values.length > 1 ? values.join(" & ") : values[0]})`] : []),
    ...(ordered ? [source === "f64" ? "ordered(rs1d(p), rs2d(p))" : "ordered(single(rs1(p)), single(rs2(p)))"] : []),
  ];
}

const checks = { f64: { finite: "finite", normal: "normal" }, f32: { finite: "finiteSingle", normal: "normalSingle" } };
const giving = { f64: "give", f32: "giveSingle", i64: "giveBits" };

function hostFunction(row: WithHost): string {
  const { gives, result } = row.host;
  const conditions = [
    ...operandConditions(row),
    ...(result === "any" || gives === "i64" ? [] : [`${checks[gives][result]}(value)`]),
  ];
  return [
    `export function ${functionName(row)}(p: i32): bool {`,
    `  const value: ${gives} = ${valueText(row.host)};`,
    `  return ${[...conditions, `${giving[gives]}(p, value)`].join(" && ")};`,
    "}",
  ].join("\n");
}

/** While the inexact flag is clear, only sums and products of doubles that are exact are given. */
function attempt(row: WithHost): string {
  const { rounded } = row.host;
  const simply = `${functionName(row)}(p)`;
  if (rounded === null) return hasRounding(row.form) ? `nearest && ${simply}` : simply;
  const isDifference = row.host.value.kind === "apply" && row.host.value.code === "f64Sub";
  const exact: Partial<Record<string, string>> = {
    sum: `exactSum(p, ${isDifference ? "-rs2d(p)" : "rs2d(p)"})`,
    product: "exactProduct(p)",
  };
  const otherwise = row.double ? exact[rounded] : undefined;
  return otherwise === undefined
    ? `nearest && inexact && ${simply}`
    : `nearest && (inexact ? ${simply} : ${otherwise})`;
}

const hostedBy = new Map<string, WithHost>(hosted.map((row) => [row.mnemonic, row]));
const hostTree = treeText(
  treeOf(hosted, 0x7f),
  0x7f,
  ({ mnemonic }) => `return ${attempt(hostedBy.get(mnemonic) as WithHost)};`,
);

/** Those that the loop has a case for: doubles there, singles by a call. */
function loopCase(row: WithHost): string {
  const { gives, result, rounded } = row.host;
  const call = `float.${functionName(row)}(p)`;
  const flag = rounded === null ? "" : "!inexactAlready() || ";
  if (row.host.source === "f32") return `if (${flag}!${call}) break; p += FULL; continue;`;
  const store = gives === "f64" ? "rdd(p, value);" : "rd(p, value);";
  const conditions = [
    ...(rounded === null ? [] : ["!inexactAlready()"]),
    ...operandConditions(row).map((condition) => `!float.${condition}`),
    ...(result === "any" ? [] : [`!float.${checks.f64[result]}(value)`]),
  ];
  const leave = conditions.length === 0 ? "" : `if (${conditions.join(" || ")}) break; `;
  return `{ const value: ${gives} = ${valueText(row.host)}; ${leave}${store} p += FULL; continue; }`;
}

const loopCases = hosted.filter(({ op }) => op !== "Float").map((row) => `      case Op.${row.op}: ${loopCase(row)}`);

function exactText({ exact, form, double }: FloatInstruction): string {
  const operands = exact.arguments.map((each) => (typeof each === "object" ? textOf(each, inRecord) : `${each}`));
  const value = `<i64>${exact.name}(${[...operands, ...(hasRounding(form) ? ["mode"] : []), double].join(", ")})`;
  return hasRounding(form)
    ? `return mode > 4 ? illegalInstruction(w) : done(p, ${value});`
    : `return done(p, ${value});`;
}

const rowOf = new Map(floatInstructions.map((row) => [row.mnemonic, row]));
const exactTree = treeText(treeOf(floatInstructions, 3), 3, ({ mnemonic }) =>
  exactText(rowOf.get(mnemonic) as FloatInstruction),
);

export const floatSources: Readonly<Record<string, string>> = {
  "float cases": loopCases.join("\n"),
  "functions of floats": hosted.map(hostFunction).join("\n\n"),
  "host operations": hostTree.join("\n"),
  "exact operations": exactTree.join("\n"),
};
