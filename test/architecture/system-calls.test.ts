/** docs/SYSCALLS.md is the table of system calls in words: `UPDATE_GOLDEN=1 vitest run test/architecture/system-calls.test.ts` writes it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SystemCallInfo } from "../../kernel/abi/catalogue.ts";
import { sel4CallCatalogue, systemCallCatalogue } from "../../kernel/catalogue.ts";
import { root } from "./sources.ts";

const file = join(root, "docs/SYSCALLS.md");

const preface = `# System calls

Written from the tables of calls (\`kernel/abi/linux\`, \`kernel/abi/sel4\`); \`ostler syscalls\` prints them, too. What is not
here is ENOSYS, and in the trace \`syscall.unknown\`. **full**: as the manual says, within docs/LIMITS.md. **partial**: but
for what the note says. **none**: it is known, and always fails.
`;

const parameters = ({ parameters }: SystemCallInfo): string =>
  parameters
    .map(({ name, kind, direction }) => `${name}: ${direction === "in" ? "" : `${direction} `}${kind}`)
    .join(", ");

const row = (call: SystemCallInfo): string =>
  `| ${call.number} | \`${call.name}(${parameters(call)})\` | ${call.support} | ${call.note.replaceAll("|", "\\|")} | ${call.errors.join(" ")} |`;

function section(title: string, calls: readonly SystemCallInfo[]): string {
  const count = (support: string): number => calls.filter((call) => call.support === support).length;
  const figures = `${calls.length} calls: ${count("full")} full, ${count("partial")} partial, ${count("none")} none.`;
  const head = ["| number | call | support | note | errors |", "| ---: | --- | --- | --- | --- |"];
  return `## ${title}\n\n${figures}\n\n${[...head, ...calls.map(row)].join("\n")}\n`;
}

test("docs/SYSCALLS.md says what the tables say", () => {
  const linux = section("Linux, riscv64", systemCallCatalogue());
  const sel4 = section("seL4", sel4CallCatalogue());
  const now = `${preface}\n${linux}\n${sel4}`;
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, now);
  const written = existsSync(file) ? readFileSync(file, "utf8") : "";
  expect(written, "run it with UPDATE_GOLDEN=1 after a change of the table").toBe(now);
});
