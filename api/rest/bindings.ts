// google.api.http annotations → routes.
//
// A path template is a list of segments: literals, `*` (one segment) and `**` (the rest), some of them bound to a field:
// /v1/machines/{machine_id}/console:follow or /v1/{name=courses/*/assignments/*}. The part after the last colon is a
// custom verb. From it come the URL pattern of fastify, the path of the OpenAPI document and a pattern to match with.
import { type DescField, type DescMessage, type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { http } from "../../proto/gen/google/api/annotations_pb.js";
import type { HttpRule } from "../../proto/gen/google/api/http_pb.js";

export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  /** `name` as fastify calls the parameter; `label` as the OpenAPI document does. */
  | { readonly kind: "parameter"; readonly name: string; readonly label: string; readonly rest: boolean };

export interface PathVariable {
  /** Field path with the names of the proto file. */
  readonly field: string;
  readonly segments: readonly Segment[];
}

export type BodyBinding =
  | { readonly kind: "none" }
  | { readonly kind: "whole" }
  | { readonly kind: "field"; readonly field: DescField };

export interface Binding {
  readonly method: DescMethod;
  readonly verb: string;
  readonly fastifyUrl: string;
  readonly openApiPath: string;
  readonly pattern: RegExp;
  readonly variables: readonly PathVariable[];
  readonly body: BodyBinding;
  readonly responseField: DescField | undefined;
}

export function bindingsOf(method: DescMethod): Binding[] {
  if (!hasOption(method, http)) return [];
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].map((each) => toBinding(method, each));
}

function toBinding(method: DescMethod, rule: HttpRule): Binding {
  const [verb, template] = verbAndTemplate(method, rule);
  const { path, customVerb } = splitCustomVerb(template);
  const { segments, variables } = parsePath(path);
  return {
    method,
    verb,
    fastifyUrl: fastifyUrl(segments, customVerb),
    openApiPath: openApiPath(segments, customVerb),
    pattern: matchPattern(segments, customVerb),
    variables,
    body: bodyBinding(method, rule.body),
    responseField: rule.responseBody === "" ? undefined : requireField(method.output, rule.responseBody, method),
  };
}

function verbAndTemplate(method: DescMethod, rule: HttpRule): [verb: string, template: string] {
  const { pattern } = rule;
  if (pattern.case === undefined) throw new Error(`${method}: google.api.http has no path`);
  if (pattern.case === "custom") return [pattern.value.kind.toUpperCase(), pattern.value.path];
  return [pattern.case.toUpperCase(), pattern.value];
}

function splitCustomVerb(template: string): { path: string; customVerb: string } {
  const colon = template.lastIndexOf(":");
  if (colon <= Math.max(template.lastIndexOf("}"), template.lastIndexOf("/")) && template[colon - 1] !== "}") {
    return { path: template, customVerb: "" };
  }
  return { path: template.slice(0, colon), customVerb: template.slice(colon + 1) };
}

function parsePath(path: string): { segments: Segment[]; variables: PathVariable[] } {
  const segments: Segment[] = [];
  const variables: PathVariable[] = [];
  for (const [, variable, literal] of path.matchAll(/\/(?:\{([^}]+)\}|([^/{}]+))/g)) {
    if (variable === undefined) {
      segments.push(toSegment(literal ?? "", segments.length, "part"));
      continue;
    }
    const [field = "", pattern = "*"] = variable.split("=", 2);
    const parts = pattern.split("/");
    const wildcards = parts.filter((part) => part.startsWith("*")).length;
    let wildcard = 0;
    const own = parts.map((part, index) => {
      if (part.startsWith("*")) wildcard += 1;
      return toSegment(part, segments.length + index, wildcards === 1 ? field : `${field}_${wildcard}`);
    });
    segments.push(...own);
    variables.push({ field, segments: own });
  }
  return { segments, variables };
}

function toSegment(text: string, index: number, label: string): Segment {
  if (text === "*") return { kind: "parameter", name: `p${index}`, label, rest: false };
  if (text === "**") return { kind: "parameter", name: "*", label, rest: true };
  return { kind: "literal", text };
}

/** find-my-way: "::" is a literal colon, and a parameter that a colon follows must exclude it by a pattern. */
function fastifyUrl(segments: readonly Segment[], customVerb: string): string {
  const parts = segments.map((segment, index) => {
    if (segment.kind === "literal") return segment.text.replaceAll(":", "::");
    if (segment.rest) return "*";
    const beforeVerb = customVerb !== "" && index === segments.length - 1;
    return beforeVerb ? `:${segment.name}([^/:]+)` : `:${segment.name}`;
  });
  return `/${parts.join("/")}${customVerb === "" ? "" : `::${customVerb}`}`;
}

function openApiPath(segments: readonly Segment[], customVerb: string): string {
  const parts = segments.map((segment) => (segment.kind === "literal" ? segment.text : `{${segment.label}}`));
  return `/${parts.join("/")}${customVerb === "" ? "" : `:${customVerb}`}`;
}

function matchPattern(segments: readonly Segment[], customVerb: string): RegExp {
  const parts = segments.map((segment) => {
    if (segment.kind === "literal") return escapePattern(segment.text);
    return segment.rest ? ".+" : "[^/:]+";
  });
  return new RegExp(`^/${parts.join("/")}${customVerb === "" ? "" : `:${escapePattern(customVerb)}`}$`);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function bodyBinding(method: DescMethod, body: string): BodyBinding {
  if (body === "") return { kind: "none" };
  if (body === "*") return { kind: "whole" };
  return { kind: "field", field: requireField(method.input, body, method) };
}

function requireField(desc: DescMessage, name: string, method: DescMethod): DescField {
  const field = fieldNamed(desc, name);
  if (field === undefined) throw new Error(`${method}: google.api.http names ${name}, which ${desc.typeName} has not`);
  return field;
}

/** By the name in the proto file or by the name in JSON. */
export function fieldNamed(desc: DescMessage, name: string): DescField | undefined {
  return desc.fields.find((field) => field.name === name || field.jsonName === name);
}
