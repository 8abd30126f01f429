// Comments of the proto files, by full name. Generated code keeps none, so they come from the descriptor set that
// `buf build proto -o proto/gen/descriptors.binpb` writes; without that file there are no descriptions, nothing else.
import { existsSync, readFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

export type Comments = ReadonlyMap<string, string>;

/** Field numbers in descriptor.proto, of which a source location's path consists. */
const fileMessage = 4;
const fileEnum = 5;
const fileService = 6;
const messageField = 2;
const messageNested = 3;
const messageEnum = 4;
const enumValue = 2;
const serviceMethod = 2;

export function readComments(path: string): Comments {
  return existsSync(path) ? commentsOf(readFileSync(path)) : new Map();
}

export function commentsOf(descriptorSet: Uint8Array): Comments {
  const comments = new Map<string, string>();
  for (const file of fromBinary(FileDescriptorSetSchema, descriptorSet).file)
    new FileComments(file, comments).collect();
  return comments;
}

class FileComments {
  private readonly file: FileDescriptorProto;
  private readonly comments: Map<string, string>;
  private readonly byPath = new Map<string, string>();

  constructor(file: FileDescriptorProto, comments: Map<string, string>) {
    this.file = file;
    this.comments = comments;
    for (const location of file.sourceCodeInfo?.location ?? []) {
      const text = tidy(location.leadingComments || location.trailingComments);
      if (text !== "") this.byPath.set(location.path.join("."), text);
    }
  }

  collect(): void {
    const prefix = this.file.package === "" ? "" : `${this.file.package}.`;
    for (const [index, message] of this.file.messageType.entries()) {
      this.addMessage(message, prefix + message.name, [fileMessage, index]);
    }
    for (const [index, desc] of this.file.enumType.entries()) {
      this.addEnum(desc, prefix + desc.name, [fileEnum, index]);
    }
    for (const [index, service] of this.file.service.entries()) {
      this.add(prefix + service.name, [fileService, index]);
      this.addAll(service.method, prefix + service.name, [fileService, index, serviceMethod]);
    }
  }

  private addMessage(message: DescriptorProto, name: string, path: number[]): void {
    this.add(name, path);
    this.addAll(message.field, name, [...path, messageField]);
    for (const [index, nested] of message.nestedType.entries()) {
      this.addMessage(nested, `${name}.${nested.name}`, [...path, messageNested, index]);
    }
    for (const [index, nested] of message.enumType.entries()) {
      this.addEnum(nested, `${name}.${nested.name}`, [...path, messageEnum, index]);
    }
  }

  private addEnum(desc: EnumDescriptorProto, name: string, path: number[]): void {
    this.add(name, path);
    this.addAll(desc.value, name, [...path, enumValue]);
  }

  private addAll(members: readonly { name: string }[], parent: string, path: number[]): void {
    for (const [index, { name }] of members.entries()) this.add(`${parent}.${name}`, [...path, index]);
  }

  private add(name: string, path: number[]): void {
    const text = this.byPath.get(path.join("."));
    if (text !== undefined) this.comments.set(name, text);
  }
}

/** Comment markers leave one space before each line. */
function tidy(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replace(/^ /, "").trimEnd())
    .join("\n")
    .trim();
}
