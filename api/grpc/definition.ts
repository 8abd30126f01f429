// protobuf-es descriptors → grpc-js service definitions.
import { create, type DescMessage, type DescMethod, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { isRequestStream, isResponseStream } from "../operation.ts";

/** Encodes an init object or a message; bytes pass as they are: they are taken for an encoded message. */
export function encode(desc: DescMessage, value: unknown): Buffer {
  if (value instanceof Uint8Array) return asBuffer(value);
  return asBuffer(toBinary(desc, create(desc, value as Record<string, unknown>)));
}

function serializer(desc: DescMessage): (value: unknown) => Buffer {
  return (value) => encode(desc, value);
}

/** grpc-js needs a Buffer; this is a view, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function methodDefinition(method: DescMethod): MethodDefinition<unknown, unknown> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: isRequestStream(method),
    responseStream: isResponseStream(method),
    requestSerialize: serializer(method.input),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: serializer(method.output),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

/** For clients: `makeClientConstructor(serviceDefinition(MachineService), …)`. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

/**
 * For our server: requests stay bytes, so that authentication comes before decoding and a request that does not decode
 * gets an error of ours (grpc-js would answer INTERNAL).
 */
export function serverDefinition(service: DescService): ServiceDefinition {
  const definition = serviceDefinition(service) as Record<string, MethodDefinition<unknown, unknown>>;
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [
      name,
      { ...method, requestDeserialize: (bytes: Buffer) => bytes },
    ]),
  );
}
