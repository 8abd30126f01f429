/** Messages in what arrives of a call, wherever that is cut. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { MessageEnds } from "../../../api/grpc/frames.ts";

const HEADER_BYTES = 5;

test("each message is found whole with its last byte, and what is there of the next is known", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(3), fc.integer({ min: 200, max: 70_000 })), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 40 }),
      (lengths, cuts) => {
        const messages = lengths.map((length) => {
          const bytes = Buffer.alloc(HEADER_BYTES + length, 0xff);
          bytes[0] = length % 2;
          bytes.writeUInt32BE(length, 1);
          return bytes;
        });
        const all = Buffer.concat(messages);
        const ends = new MessageEnds();
        const found: number[] = [];
        for (let at = 0, cut = 0; at < all.length; cut++) {
          const chunk = all.subarray(at, at + cuts[cut % cuts.length]!);
          found.push(...ends.push(chunk));
          at += chunk.length;
          const before = messages.slice(0, found.length).reduce((sum, { length }) => sum + length, 0);
          expect(ends.partBytes).toBe(at - before);
        }
        expect(found).toEqual(messages.map(({ length }) => length));
      },
    ),
    { numRuns: 100 },
  );
});
