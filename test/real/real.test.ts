/** Kernels of others on our board. The long cases are `npm run real`'s. */
import { describe, test } from "vitest";
import { imagesOrReason, realCases } from "./cases.ts";

const found = imagesOrReason();
const reason = "reason" in found ? ` (Debian's packages cannot be had: ${found.reason})` : "";

describe.skipIf("reason" in found)(`Debian's packages boot${reason}`, () => {
  for (const { name, isLong, run } of realCases) {
    if (isLong) continue;
    test(name, () => {
      if ("images" in found) run(found.images);
    });
  }
});
