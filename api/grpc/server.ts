// The gRPC server: operations, health and reflection on one port.

import type { DescService } from "@bufbuild/protobuf";
import { type Server as GrpcJsServer, Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import {
  ActiveCalls,
  implement,
  methodPath,
  type Operation,
  type Pipeline,
  type ServiceImplementation,
} from "../operation.ts";
import { defaultPatience, type Patience } from "../patience.ts";
import { type Admitted, admission, behindAdmission } from "./admission.ts";
import { grpcHandler } from "./calls.ts";
import { serverDefinition } from "./definition.ts";
import { Gathering } from "./gathering.ts";
import { reflectionOperations } from "./reflection.ts";

export interface GrpcServerOptions {
  readonly operations: readonly Operation[];
  readonly pipeline: Pipeline;
  /** The largest request message. Default 8 MiB. */
  readonly receiveLimitBytes?: number;
  /** Calls at a time on one connection. Default 1000. */
  readonly concurrentCallsMax?: number;
  /** A silent connection is asked for a sign of life after this time. Default 30 s. */
  readonly keepaliveMs?: number;
  /** Of messages over 64 KiB that may be arriving or worked on at once, all together. Default 512 MiB. */
  readonly uploadBudgetBytes?: number;
  /** How slowly messages may arrive. Default: a kilobyte a second, looked at twice a minute. */
  readonly patience?: Patience;
  /** Default true. */
  readonly reflection?: boolean;
  /** PEM. Without it connections are not encrypted. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

const keepaliveAnswerMs = 10_000;
/** How long aborted calls get to send their status before connections are cut. */
const abortGraceMs = 500;

function servicesOf(operations: readonly Operation[]): DescService[] {
  return [...new Set(operations.map((operation) => operation.service))];
}

export class GrpcServer {
  /** The grpc-js server, for what this class does not cover. */
  readonly server: GrpcJsServer;
  private readonly options: GrpcServerOptions;
  private readonly active = new ActiveCalls();
  private readonly health = new HealthImplementation({ "": "SERVING" });
  private readonly services = new Set<string>();
  private readonly operations = new Map<string, Operation>();
  private readonly admitted: Admitted = new WeakMap();
  private readonly gathering: Gathering;

  constructor(options: GrpcServerOptions) {
    this.options = options;
    const keepaliveMs = options.keepaliveMs ?? 30_000;
    this.gathering = new Gathering({
      budgetBytes: options.uploadBudgetBytes ?? 512 * 1024 * 1024,
      patience: options.patience ?? defaultPatience,
    });
    const { pipeline } = options;
    const host = { pipeline, active: this.active, admitted: this.admitted, gathering: this.gathering };
    this.server = new Server({
      "grpc.max_receive_message_length": options.receiveLimitBytes ?? 8 * 1024 * 1024,
      "grpc.max_send_message_length": -1,
      "grpc.max_concurrent_streams": options.concurrentCallsMax ?? 1000,
      "grpc.keepalive_time_ms": keepaliveMs,
      "grpc.keepalive_timeout_ms": Math.min(keepaliveAnswerMs, keepaliveMs),
      interceptors: [admission(host, (path) => this.operations.get(path))],
    });
    this.health.addToServer(this.server);
    this.addOperations(options.operations);
    if (options.reflection ?? true) this.addOperations(reflectionOperations(servicesOf(options.operations)));
  }

  addService<Service extends DescService>(
    service: Service,
    implementation: Partial<ServiceImplementation<Service>>,
  ): void {
    this.addOperations(implement(service, implementation));
  }

  addOperations(operations: readonly Operation[]): void {
    const host = { pipeline: behindAdmission(this.options.pipeline), active: this.active, admitted: this.admitted };
    for (const operation of operations) this.operations.set(`/${methodPath(operation.method)}`, operation);
    for (const service of servicesOf(operations)) {
      const own = operations.filter((operation) => operation.service === service);
      const handlers = own.map((operation) => [operation.method.localName, grpcHandler(operation, host)] as const);
      this.server.addService(serverDefinition(service), Object.fromEntries(handlers));
      this.services.add(service.typeName);
      this.health.setStatus(service.typeName, "SERVING");
    }
  }

  /** Listens on an address like 127.0.0.1:50051; resolves to the port. */
  bind(address: string): Promise<number> {
    const { tls } = this.options;
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ cert_chain: tls.cert, private_key: tls.key }]);
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
  }

  setServing(serving: boolean): void {
    for (const service of ["", ...this.services]) this.health.setStatus(service, serving ? "SERVING" : "NOT_SERVING");
  }

  get activeCalls(): number {
    return this.active.size;
  }

  /** Of messages that are arriving or worked on. */
  uploadBytes(): number {
    return this.gathering.bytes;
  }

  /** Streams end with UNAVAILABLE, now and from now on. */
  endStreams(): void {
    this.active.drainStreams();
  }

  /**
   * Stops in order: not serving any more, streams end with UNAVAILABLE, other calls get `graceMs` to finish, then
   * what is left is aborted and connections are cut.
   */
  async drain(graceMs = 5000): Promise<void> {
    this.setServing(false);
    const closed = new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    this.active.drainStreams();
    const abort = setTimeout(() => this.active.abortAll(), graceMs);
    const cut = setTimeout(() => this.server.forceShutdown(), graceMs + abortGraceMs);
    await closed;
    clearTimeout(abort);
    clearTimeout(cut);
  }

  /** Cuts everything at once. */
  stop(): void {
    this.active.abortAll();
    this.server.forceShutdown();
  }
}

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  return new GrpcServer(options);
}
