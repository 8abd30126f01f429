/** The methods of the API, from the compiled contract. */
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const descriptors = readFileSync(new URL("../../proto/gen/descriptors.binpb", import.meta.url));

export const contractMethods = [...createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors))].flatMap(
  (desc) => (desc.kind === "service" && desc.typeName.startsWith("ostler.v1.") ? desc.methods : []),
);
