/** Inputs as the journal keeps them. What was written by any release stays readable: fields are only ever added. */
import { CodecError, decodePlain, encodePlain } from "../lib/codec.ts";
import type { Input } from "./types.ts";

export const encodeInput = (input: Input): Uint8Array<ArrayBuffer> => encodePlain(input);

export function decodeInput(bytes: Uint8Array): Input {
  const input = decodePlain(bytes) as Input;
  if (typeof input !== "object" || input === null || typeof input.kind !== "string")
    throw new CodecError("not an input");
  return input;
}
