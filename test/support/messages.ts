/** Messages of any form that a method's descriptor allows, good ones and bad. */
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import fc from "fast-check";

const DEPTH = 3;
/** What is there, by the names of the fields that take it. */
export type Known = Readonly<Record<string, string>>;
const text = fc.oneof(fc.constantFrom("", "a", "\0", "../../etc", "%00", "x".repeat(300), "ü\u{1F600}"), fc.string());
const small32 = (min: number, max: number) =>
  fc.oneof(fc.constantFrom(0, 1, min, max), fc.integer({ min: 0, max: 70 }));
const small64 = (min: bigint, max: bigint) =>
  fc.oneof(fc.constantFrom(0n, 1n, min, max, 0x8000_0000n), fc.bigInt({ min: 0n, max: 5_000n }));

function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 80 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return fc.constantFrom(0, 1, -1, 0.5, 1e30, Number.NaN, Number.POSITIVE_INFINITY);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return small32(0, 2 ** 32 - 1);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return small32(-(2 ** 31), 2 ** 31 - 1);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return small64(0n, 2n ** 64n - 1n);
    default:
      return small64(-(2n ** 63n), 2n ** 63n - 1n);
  }
}

function single(field: DescField, known: Known, depth: number): fc.Arbitrary<unknown> {
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map(({ number }) => number), 99);
  if (field.message !== undefined) return init(field.message, known, depth - 1);
  const right = known[field.name];
  if (right === undefined) return scalar(field.scalar!);
  return fc.oneof({ weight: 9, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: scalar(field.scalar!) });
}

function fieldOf(field: DescField, known: Known, depth: number): fc.Arbitrary<unknown> {
  const value = single(field, known, depth);
  if (field.fieldKind === "list") return fc.array(value, { maxLength: 3 });
  if (field.fieldKind === "map") return fc.dictionary(fc.string(), value, { maxKeys: 2 });
  return value;
}

function init(desc: DescMessage, known: Known, depth: number): fc.Arbitrary<Message> {
  if (depth === 0) return fc.constant(create(desc));
  const members = desc.members.map((member) => {
    if (member.kind === "field") return [member.localName, fieldOf(member, known, depth)] as const;
    const cases = member.fields.map((field) =>
      fieldOf(field, known, depth).map((value) => ({ case: field.localName, value })),
    );
    return [member.localName, fc.oneof(...cases)] as const;
  });
  const requiredKeys = desc.fields.filter(({ name }) => known[name] !== undefined).map(({ localName }) => localName);
  const record: fc.Arbitrary<object> = fc.record(Object.fromEntries(members), { requiredKeys: requiredKeys as never });
  return record.map((fields) => create(desc, fields as never));
}

export const messagesOf = (desc: DescMessage, known: Known): fc.Arbitrary<Message> => init(desc, known, DEPTH);
