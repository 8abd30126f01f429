// gRPC server reflection, v1 and v1alpha, straight from the descriptors that the services run on.
// Custom options (google.api.http, buf.validate) are kept byte for byte, so `buf curl` and grpcurl see them.
import {
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Health } from "../../proto/gen/grpc/health/v1/health_pb.js";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
  ServerReflection as ServerReflectionV1,
} from "../../proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Code } from "../errors.ts";
import { implement, type Operation } from "../operation.ts";

type Response = MessageInitShape<typeof ServerReflectionResponseSchema>;
type Answer = NonNullable<Response["messageResponse"]>;

/** Both versions; the two protocols are the same but for the name of the package. */
export function reflectionOperations(services: readonly DescService[]): Operation[] {
  const listed = [...services, Health, ServerReflectionV1, ServerReflectionV1Alpha];
  const index = new DescriptorIndex(listed);
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const request of requests) yield respond(request, listed, index);
  }
  const functions = { serverReflectionInfo } as never;
  return [...implement(ServerReflectionV1, functions), ...implement(ServerReflectionV1Alpha, functions)];
}

function respond(request: ServerReflectionRequest, services: readonly DescService[], index: DescriptorIndex): Response {
  const { $typeName: _version, $unknown: _unknown, ...originalRequest } = request;
  return { validHost: request.host, originalRequest, messageResponse: answer(request, services, index) };
}

function answer(request: ServerReflectionRequest, services: readonly DescService[], index: DescriptorIndex): Answer {
  const query = request.messageRequest;
  switch (query.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map(({ typeName }) => ({ name: typeName })) } };
    case "fileByFilename":
      return fileAnswer(index.files.get(query.value), query.value);
    case "fileContainingSymbol":
      return fileAnswer(index.symbols.get(query.value), query.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = query.value;
      const file = index.extensions.get(containingType)?.get(extensionNumber);
      return fileAnswer(file, `${containingType}[${extensionNumber}]`);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = [...(index.extensions.get(query.value)?.keys() ?? [])];
      if (extensionNumber.length === 0 && !index.symbols.has(query.value)) return unknown(query.value);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: query.value, extensionNumber } };
    }
    default:
      return errorAnswer(Code.INVALID_ARGUMENT, "The request asks for nothing: set one field of message_request.");
  }
}

function fileAnswer(file: DescFile | undefined, name: string): Answer {
  if (file === undefined) return unknown(name);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: withDependencies(file) } };
}

function unknown(name: string): Answer {
  return errorAnswer(Code.NOT_FOUND, `This server knows no ${JSON.stringify(name)}.`);
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function withDependencies(file: DescFile): Uint8Array[] {
  const found = new Set<DescFile>([file]);
  for (const member of found) for (const dependency of member.dependencies) found.add(dependency);
  return [...found].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
}

/** Which file defines what. */
class DescriptorIndex {
  readonly files = new Map<string, DescFile>();
  readonly symbols = new Map<string, DescFile>();
  readonly extensions = new Map<string, Map<number, DescFile>>();

  constructor(services: readonly DescService[]) {
    const found = new Set(services.map((service) => service.file));
    for (const file of found) {
      for (const dependency of file.dependencies) found.add(dependency);
      this.addFile(file);
    }
  }

  private addFile(file: DescFile): void {
    this.files.set(file.proto.name, file);
    for (const message of file.messages) this.addMessage(message, file);
    for (const { typeName } of file.enums) this.symbols.set(typeName, file);
    for (const extension of file.extensions) this.addExtension(extension, file);
    for (const service of file.services) {
      this.symbols.set(service.typeName, file);
      for (const method of service.methods) this.symbols.set(`${service.typeName}.${method.name}`, file);
    }
  }

  private addMessage(message: DescMessage, file: DescFile): void {
    this.symbols.set(message.typeName, file);
    for (const field of message.fields) this.symbols.set(`${message.typeName}.${field.name}`, file);
    for (const nested of message.nestedMessages) this.addMessage(nested, file);
    for (const { typeName } of message.nestedEnums) this.symbols.set(typeName, file);
    for (const extension of message.nestedExtensions) this.addExtension(extension, file);
  }

  private addExtension(extension: DescExtension, file: DescFile): void {
    this.symbols.set(extension.typeName, file);
    const numbers = this.extensions.get(extension.extendee.typeName) ?? new Map<number, DescFile>();
    this.extensions.set(extension.extendee.typeName, numbers.set(extension.number, file));
  }
}
