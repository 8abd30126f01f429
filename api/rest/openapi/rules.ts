// Rules of buf.validate → constraints of JSON schema, as far as JSON schema can say them.
// What it cannot (lengths in bytes, bounds of 64-bit numbers, which JSON has as text) becomes a sentence.
import { type DescField, type DescOneof, getOption, hasOption } from "@bufbuild/protobuf";
import {
  type FieldRules,
  field as fieldRulesOption,
  oneof as oneofRulesOption,
  type StringRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Schema } from "./schema.ts";

export interface Constraints {
  readonly schema: Schema;
  readonly sentences: readonly string[];
}

const none: Constraints = { schema: {}, sentences: [] };

function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, fieldRulesOption) ? getOption(field, fieldRulesOption) : undefined;
}

export function isRequired(field: DescField): boolean {
  return rulesOf(field)?.required ?? false;
}

export function isRequiredOneof(oneof: DescOneof): boolean {
  return hasOption(oneof, oneofRulesOption) && getOption(oneof, oneofRulesOption).required;
}

export function constraintsOf(field: DescField): Constraints {
  const rules = rulesOf(field);
  return rules === undefined ? none : toConstraints(rules);
}

/** Rules for the elements of a repeated field. */
export function itemConstraintsOf(field: DescField): Constraints {
  const rules = rulesOf(field);
  if (rules?.type.case === "repeated" && rules.type.value.items !== undefined) {
    return toConstraints(rules.type.value.items);
  }
  if (rules?.type.case === "map" && rules.type.value.values !== undefined)
    return toConstraints(rules.type.value.values);
  return none;
}

function toConstraints(rules: FieldRules): Constraints {
  const constraints = typeConstraints(rules);
  const sentences = [...rules.cel.map((rule) => rule.message), ...constraints.sentences].filter((text) => text !== "");
  return { schema: constraints.schema, sentences };
}

function typeConstraints({ type }: FieldRules): Constraints {
  switch (type.case) {
    case undefined:
      return none;
    case "string":
      return { schema: stringSchema(type.value), sentences: [] };
    case "bytes":
      return { schema: {}, sentences: lengthSentence("bytes", type.value.minLen, type.value.maxLen) };
    case "repeated": {
      const { minItems, maxItems, unique } = type.value;
      const schema = {
        ...bound("minItems", minItems),
        ...bound("maxItems", maxItems),
        ...(unique && { uniqueItems: true }),
      };
      return { schema, sentences: [] };
    }
    case "map":
      return {
        schema: { ...bound("minProperties", type.value.minPairs), ...bound("maxProperties", type.value.maxPairs) },
        sentences: [],
      };
    default:
      return "greaterThan" in type.value ? numberConstraints(type.value as NumberRules) : none;
  }
}

/** 0 is what an absent limit reads as. */
function bound(name: string, value: bigint | number): Schema {
  return Number(value) === 0 ? {} : { [name]: Number(value) };
}

function stringSchema(rules: StringRules): Schema {
  const formats: Record<string, string> = { email: "email", uuid: "uuid", uri: "uri", hostname: "hostname" };
  const format = formats[rules.wellKnown.case ?? ""];
  const length = rules.len > 0n ? { minLength: Number(rules.len), maxLength: Number(rules.len) } : {};
  return {
    ...bound("minLength", rules.minLen),
    ...bound("maxLength", rules.maxLen),
    ...length,
    ...(rules.pattern !== "" && { pattern: rules.pattern }),
    ...(rules.in.length > 0 && { enum: [...rules.in] }),
    ...(format !== undefined && { format }),
  };
}

function lengthSentence(unit: string, minimum: bigint, maximum: bigint): string[] {
  if (minimum > 0n && maximum > 0n) return [`From ${minimum} to ${maximum} ${unit}.`];
  if (maximum > 0n) return [`At most ${maximum} ${unit}.`];
  return minimum > 0n ? [`At least ${minimum} ${unit}.`] : [];
}

interface NumberRules {
  greaterThan: { case: "gt" | "gte" | undefined; value?: unknown };
  lessThan: { case: "lt" | "lte" | undefined; value?: unknown };
}

const words = { gt: "above", gte: "at least", lt: "below", lte: "at most" } as const;
const keywords = { gt: "exclusiveMinimum", gte: "minimum", lt: "exclusiveMaximum", lte: "maximum" } as const;

function numberConstraints(rules: NumberRules): Constraints {
  const schema: Record<string, unknown> = {};
  const phrases: string[] = [];
  for (const limit of [rules.greaterThan, rules.lessThan]) {
    if (limit.case === undefined) continue;
    if (typeof limit.value === "number") schema[keywords[limit.case]] = limit.value;
    else if (typeof limit.value === "bigint") phrases.push(`${words[limit.case]} ${limit.value}`);
  }
  return { schema, sentences: phrases.length === 0 ? [] : [`Must be ${phrases.join(" and ")}.`] };
}
