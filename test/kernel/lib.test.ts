import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cancel, nextDueNs, schedule, skipTo, takeDue } from "../../kernel/hardware/clock/clock.ts";
import { initClock } from "../../kernel/hardware/clock/state.ts";
import { joinBytes, withoutFirst } from "../../kernel/lib/bytes.ts";
import { initRandom, randomBytes, randomU32 } from "../../kernel/lib/random.ts";
import { decodeText, encodeText, quoteBytes } from "../../kernel/lib/text.ts";

describe("text", () => {
  it("is UTF-8 as the platform's own encoder writes it", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        (text) => void expect(encodeText(text)).toEqual(new TextEncoder().encode(text)),
      ),
    );
  });

  it("decodes well-formed UTF-8 and marks everything else", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        (text) => void expect(decodeText(new TextEncoder().encode(text))).toBe(text),
      ),
    );
    expect(decodeText(Uint8Array.of(0x61, 0xff, 0x62, 0xc3))).toBe("a\ufffdb\ufffd");
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeText(bytes)));
  });

  it("quotes like strace", () => {
    expect(quoteBytes(new TextEncoder().encode('a"\\\n\t'))).toBe('"a\\"\\\\\\n\\t"');
    expect(quoteBytes(Uint8Array.of(0, 0x31, 1, 200))).toBe('"\\0001\\1\\310"');
    expect(quoteBytes(new Uint8Array(40).fill(65))).toBe(`"${"A".repeat(32)}"...`);
  });
});

describe("random numbers", () => {
  it("follow from the seed", () => {
    expect(randomBytes(initRandom(7n), 13)).toEqual(randomBytes(initRandom(7n), 13));
    expect(randomBytes(initRandom(7n), 13)).not.toEqual(randomBytes(initRandom(8n), 13));
  });

  it("are xoshiro128** (reference values for the state 1, 2, 3, 4)", () => {
    const state = { words: Uint32Array.of(1, 2, 3, 4) };
    expect([randomU32(state), randomU32(state), randomU32(state)]).toEqual([11520, 0, 5927040]);
  });
});

describe("the clock", () => {
  it("gives events in order of time, then of scheduling, and only when due", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 40 }), fc.nat(39), (times, gone) => {
        const clock = initClock();
        times.forEach((time, i) => {
          schedule(clock, time, "threadTimeout", i);
        });
        if (gone < times.length) cancel(clock, "threadTimeout", gone);
        const expected = times
          .map((time, i) => ({ time, i }))
          .filter(({ i }) => i !== gone)
          .sort((a, b) => a.time - b.time || a.i - b.i);
        const seen: number[] = [];
        while (nextDueNs(clock) !== Number.POSITIVE_INFINITY) {
          skipTo(clock, Math.max(clock.idleNs, nextDueNs(clock)));
          for (let event = takeDue(clock); event !== null; event = takeDue(clock)) seen.push(event.subject);
        }
        expect(seen).toEqual(expected.map(({ i }) => i));
      }),
    );
  });
});

describe("bytes", () => {
  it("are put together in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array()),
        (parts) => void expect([...joinBytes(parts)]).toEqual(parts.flatMap((part) => [...part])),
      ),
    );
  });

  it("lose their front, and hold at most twice what is left", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(40)), (bytes, counts) => {
        let left: Uint8Array = bytes.slice();
        let model = [...bytes];
        for (const count of counts) {
          left = withoutFirst(left, count);
          model = model.slice(count);
          expect([...left]).toEqual(model);
          expect(left.buffer.byteLength).toBeLessThanOrEqual(2 * left.length);
        }
      }),
    );
  });

  it("are copied as often as they halve when they are taken one by one", () => {
    let left: Uint8Array = new Uint8Array(1 << 16);
    let copied = 0;
    while (left.length > 0) {
      const next = withoutFirst(left, 1);
      if (next.buffer !== left.buffer) copied += next.length;
      left = next;
    }
    expect(copied).toBeLessThanOrEqual(1 << 16);
  });
});
