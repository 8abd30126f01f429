/** Entry of a worker thread. */

import type { MessagePort } from "node:worker_threads";
import { parentPort, workerData } from "node:worker_threads";
import type { CommandMessage, WorkerStart } from "../protocol.ts";
import { ContentCache, portFetcher } from "./content.ts";
import { Executing } from "./executing.ts";
import { Heart } from "./heart.ts";
import { WorkerHost } from "./host.ts";
import { Meter } from "./meter.ts";

/** Bytes of content that a worker keeps at hand (programs, tree nodes, pages). */
const CONTENT_CACHE_BYTES = 64 * 1024 * 1024;

const start = workerData as WorkerStart & { fetchPort: MessagePort };
const { cpu, signal, weights, fetchPort } = start;
const commands = parentPort!;
const heart = new Heart(start.heart);
const content = new ContentCache(portFetcher(fetchPort, signal, heart), CONTENT_CACHE_BYTES);
const shared = { executing: new Executing(start.executing), meter: new Meter(start.meter), heart, weights };
const host = new WorkerHost(cpu, content, shared, (message, handedOver) => commands.postMessage(message, handedOver));
commands.on("message", (message: CommandMessage) => host.receive(message));
// The fetch port must not keep an otherwise finished worker alive.
fetchPort.unref();
heart.beat();
