// gRPC: what the rest of the server may use.
export { serviceDefinition } from "./definition.ts";
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from "./server.ts";
export { fromServiceError } from "./status.ts";
