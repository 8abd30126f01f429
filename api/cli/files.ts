/** Files of the user's that are written and read as streams. A file that is not whole never has the name that was given. */
import { createReadStream, createWriteStream, renameSync, rmSync } from "node:fs";
import { finished } from "node:stream/promises";
import { unreadable, unwritable } from "./failure.ts";

/** Writes to `<path>.part`, and gives it its name when all is on disk. Returns how many bytes. */
export async function writeWhole(
  path: string,
  parts: AsyncIterable<Uint8Array>,
  onProgress: (bytes: number) => void,
): Promise<number> {
  const part = `${path}.part`;
  const file = await openForWriting(part, path);
  let bytes = 0;
  try {
    for await (const data of parts) {
      bytes += data.length;
      if (!file.write(data)) await new Promise<void>((resolve) => file.once("drain", () => resolve()));
      onProgress(bytes);
    }
    file.end();
    await finished(file);
    renameSync(part, path);
    return bytes;
  } catch (error) {
    file.destroy();
    rmSync(part, { force: true });
    throw error;
  }
}

/** Opened before anything is asked for, so that a bad path costs nothing. */
function openForWriting(part: string, path: string): Promise<ReturnType<typeof createWriteStream>> {
  const file = createWriteStream(part, { flush: true });
  return new Promise((resolve, reject) => {
    file.once("open", () => resolve(file));
    file.once("error", (error) => reject(unwritable(path, error)));
  });
}

/** The file in pieces of 256 KiB. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 })) yield new Uint8Array(piece);
  } catch (error) {
    throw unreadable(path, error);
  }
}
