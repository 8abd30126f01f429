// What REST answers, for tests that look at it as it is.
import type { JsonObject } from "@bufbuild/protobuf";
import { expect } from "vitest";
import type { Problem } from "../../../api/rest/index.ts";
import { linesOf } from "./clients.ts";

export interface Answer {
  status: number;
  headers: Headers;
  json: JsonObject;
}

export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const json = (await response.json()) as JsonObject;
  return { status: response.status, headers: response.headers, json };
}

export function expectProblem(answer: Answer, status: number, reason: string): Problem {
  expect(answer.headers.get("content-type")).toContain("application/problem+json");
  const problem = answer.json as unknown as Problem;
  expect(problem).toMatchObject({ status, reason, type: `urn:ostler:problem:${reason}` });
  expect(answer.status).toBe(status);
  return problem;
}

export async function allLines(response: Response): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(response)) lines.push(line);
  return lines;
}
