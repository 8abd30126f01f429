// Messages and enums → JSON schemas (the dialect of OpenAPI 3.1), collected as they are referred to.
import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Comments } from "./comments.ts";
import { type Constraints, constraintsOf, isRequired, isRequiredOneof, itemConstraintsOf } from "./rules.ts";

export type Schema = Readonly<Record<string, unknown>>;

/** Messages whose JSON form is not an object of their fields. */
const wellKnown: Readonly<Record<string, Schema>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", examples: ["1.5s"] },
  "google.protobuf.FieldMask": { type: "string", examples: ["title,spec.memoryBytes"] },
  "google.protobuf.Struct": { type: "object", additionalProperties: true },
  "google.protobuf.ListValue": { type: "array", items: {} },
  "google.protobuf.Value": {},
  "google.protobuf.Empty": { type: "object", additionalProperties: false },
  "google.protobuf.Any": { type: "object", properties: { "@type": { type: "string" } }, additionalProperties: true },
  "google.protobuf.BoolValue": { type: ["boolean", "null"] },
  "google.protobuf.StringValue": { type: ["string", "null"] },
  "google.protobuf.BytesValue": { type: ["string", "null"], contentEncoding: "base64" },
  "google.protobuf.DoubleValue": { type: ["number", "null"] },
  "google.protobuf.FloatValue": { type: ["number", "null"] },
  "google.protobuf.Int32Value": { type: ["integer", "null"] },
  "google.protobuf.UInt32Value": { type: ["integer", "null"] },
  "google.protobuf.Int64Value": { type: ["string", "null"] },
  "google.protobuf.UInt64Value": { type: ["string", "null"] },
};

export function isWellKnown(desc: DescMessage): boolean {
  return wellKnown[desc.typeName] !== undefined;
}

export function scalarSchema(type: ScalarType): Schema {
  switch (type) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: "integer", minimum: 0, maximum: 4294967295 };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: "integer", format: "int32" };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: "string", pattern: "^[0-9]+$", description: "A whole number of 64 bits, as text." };
    default:
      return { type: "string", pattern: "^-?[0-9]+$", description: "A whole number of 64 bits, as text." };
  }
}

export class SchemaCollection {
  readonly schemas: Record<string, Schema> = {};
  private readonly comments: Comments;

  constructor(comments: Comments) {
    this.comments = comments;
  }

  refer(desc: DescMessage | DescEnum): Schema {
    const known = wellKnown[desc.typeName];
    if (known !== undefined) return known;
    if (this.schemas[desc.typeName] === undefined) {
      // Taken first: a message may contain itself.
      this.schemas[desc.typeName] = {};
      this.schemas[desc.typeName] = desc.kind === "enum" ? this.enumSchema(desc) : this.messageSchema(desc);
    }
    return { $ref: `#/components/schemas/${desc.typeName}` };
  }

  field(field: DescField): Schema {
    const { schema, sentences } = constraintsOf(field);
    const comment = this.comments.get(`${field.parent.typeName}.${field.name}`);
    const own = this.fieldType(field);
    const description = [comment, ...sentences].filter((text) => text !== undefined).join("\n") || own["description"];
    return { ...own, ...schema, ...(description !== undefined && { description }) };
  }

  private fieldType(field: DescField): Schema {
    if (field.fieldKind === "list") return { type: "array", items: this.item(field) };
    if (field.fieldKind === "map") return { type: "object", additionalProperties: this.item(field) };
    return this.single(field);
  }

  private item(field: DescField): Schema {
    const { schema, sentences }: Constraints = itemConstraintsOf(field);
    return { ...this.single(field), ...schema, ...(sentences.length > 0 && { description: sentences.join("\n") }) };
  }

  private single(field: DescField): Schema {
    if (field.message !== undefined) return this.refer(field.message);
    if (field.enum !== undefined) return this.refer(field.enum);
    return field.scalar === undefined ? {} : scalarSchema(field.scalar);
  }

  private enumSchema(desc: DescEnum): Schema {
    const lines = desc.values.map((value) => {
      const comment = this.comments.get(`${desc.typeName}.${value.name}`);
      return comment === undefined ? undefined : `* ${value.name}: ${comment}`;
    });
    const description = joined([this.comments.get(desc.typeName), ...lines]);
    return { type: "string", enum: desc.values.map((value) => value.name), ...description };
  }

  private messageSchema(desc: DescMessage): Schema {
    const required = desc.fields.filter(isRequired).map((field) => field.jsonName);
    const oneofs = desc.oneofs.map((oneof) => {
      const names = oneof.fields.map((field) => field.jsonName).join(", ");
      return `${isRequiredOneof(oneof) ? "Exactly" : "At most"} one of: ${names}.`;
    });
    return {
      type: "object",
      properties: Object.fromEntries(desc.fields.map((field) => [field.jsonName, this.field(field)])),
      additionalProperties: false,
      ...(required.length > 0 && { required }),
      ...joined([this.comments.get(desc.typeName), ...oneofs]),
    };
  }
}

function joined(texts: readonly (string | undefined)[]): Schema {
  const description = texts.filter((text) => text !== undefined).join("\n\n");
  return description === "" ? {} : { description };
}
