/** Entry of a worker thread. */

import type { MessagePort } from "node:worker_threads";
import { parentPort, workerData } from "node:worker_threads";
import type { CommandMessage, WorkerStart } from "../protocol.ts";
import { ContentCache, portFetcher } from "./content.ts";
import { Executing } from "./executing.ts";
import { WorkerHost } from "./host.ts";
import { Meter } from "./meter.ts";

/** Bytes of content that a worker keeps at hand (programs, tree nodes, pages). */
const CONTENT_CACHE_BYTES = 64 * 1024 * 1024;

const { cpu, signal, executing, meter, weights, fetchPort } = workerData as WorkerStart & { fetchPort: MessagePort };
const commands = parentPort!;
const content = new ContentCache(portFetcher(fetchPort, signal), CONTENT_CACHE_BYTES);
const shared = { executing: new Executing(executing), meter: new Meter(meter), weights };
const host = new WorkerHost(cpu, content, shared, (message, handedOver) => commands.postMessage(message, handedOver));
commands.on("message", (message: CommandMessage) => host.receive(message));
// The fetch port must not keep an otherwise finished worker alive.
fetchPort.unref();
