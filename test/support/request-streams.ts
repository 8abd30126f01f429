/** Methods whose requests are a stream, called with one message, on either transport. Throws as the clients do. */
import { create, type DescMethod, getOption, type JsonObject, type Message, toJsonString } from "@bufbuild/protobuf";
import WebSocket from "ws";
import { Connection } from "../../api/cli/client.ts";
import { Code } from "../../api/errors.ts";
import { isResponseStream } from "../../api/operation.ts";
import { http } from "../../proto/gen/google/api/annotations_pb.js";
import { ApiError } from "./client.ts";
import { gather } from "./gather.ts";
import type { TestServer } from "./server.ts";

type Where = Pick<TestServer, "grpc" | "http">;

export async function callWithOne(
  server: Where,
  transport: "grpc" | "rest",
  key: string,
  method: DescMethod,
  request: object,
): Promise<void> {
  const message = create(method.input, request as never);
  if (transport === "grpc") return overGrpc(server, key, method, message);
  return isResponseStream(method) ? overSocket(server, key, method, message) : overPost(server, key, method, message);
}

async function overGrpc(server: Where, key: string, method: DescMethod, message: Message): Promise<void> {
  const connection = new Connection({ address: server.grpc, key, retryForMs: 0 });
  const requests = async function* () {
    yield message;
  };
  try {
    const service = connection.service(method.parent) as unknown as Record<
      string,
      (r: unknown) => AsyncIterable<unknown>
    >;
    await gather(service[method.localName]!(requests()));
  } catch (error) {
    const { code, reason, message: text } = error as { code: number; reason: string; message: string };
    throw new ApiError(Code[code]!, reason, text, []);
  } finally {
    connection.close();
  }
}

async function overPost(server: Where, key: string, method: DescMethod, message: Message): Promise<void> {
  const response = await fetch(server.http + String(getOption(method, http).pattern.value), {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/x-ndjson" },
    body: `${toJsonString(method.input, message)}\n`,
  });
  if (!response.ok) throw problem((await response.json()) as JsonObject);
}

function overSocket(server: Where, key: string, method: DescMethod, message: Message): Promise<void> {
  const path = String(getOption(method, http).pattern.value);
  const socket = new WebSocket(server.http.replace("http", "ws") + path, {
    headers: { authorization: `Bearer ${key}` },
  });
  return new Promise((resolve, reject) => {
    socket.on("open", () => socket.send(toJsonString(method.input, message)));
    socket.on("message", (data) => {
      const { error } = JSON.parse(String(data)) as { error?: JsonObject };
      if (error !== undefined) reject(problem(error));
    });
    socket.on("close", () => resolve());
    socket.on("error", reject);
  });
}

const problem = ({ code, reason, detail }: JsonObject): ApiError =>
  new ApiError(String(code), String(reason), String(detail), []);
