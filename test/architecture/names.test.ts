/** Names that must not occur: what would make a run depend on its host, and an instruction set's words outside its room. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findings, projectFiles, root, sourceOf, sourcesIn } from "./sources.ts";

const kernel = sourcesIn("kernel").filter(({ path }) => !path.includes("/assembly/"));

describe("the kernel does not name", () => {
  test.each<[string, RegExp]>([
    ["clocks", /(?<!\.)\bDate\b|\bperformance\b/g],
    ["the host's chance", /\bMath\s*\.\s*random\b|\bcrypto\b/g],
    [
      "arithmetic that differs between engines",
      /\bMath\s*\.\s*(?:a?(?:sin|cos|tan)h?|atan2|exp|expm1|log|log1p|log2|log10|pow|sqrt|cbrt|hypot|fround)\b/g,
    ],
    ["locales", /\bIntl\b|\.(?:toLocale\w+|localeCompare|normalize)\(/g],
    ["the garbage collector", /\b(?:WeakRef|WeakMap|WeakSet|FinalizationRegistry)\b/g],
    [
      "anything that waits",
      /\basync\b|\bawait\b|\bPromise\b|\bfunction\s*\*|\byield\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/g,
    ],
    ["generator methods", /^\s*(?:static\s+)?\*\s*[\w[#]/gm],
    [
      "the host",
      /(?<![.\w])(?:console|process|Buffer|globalThis|document|window)\s*[.[]|(?<![.\w])(?:require|structuredClone)\(|\bSharedArrayBuffer\b|\bAtomics\b/g,
    ],
    ["code made from text", /\beval\b|\bnew\s+Function\b/g],
  ])("%s", (_, pattern) => {
    expect(findings(kernel, pattern)).toEqual([]);
  });

  test("WebAssembly, outside the CPU", () => {
    const others = kernel.filter(({ path }) => !path.startsWith("kernel/hardware/cpu/"));
    expect(findings(others, /\bWebAssembly\b/g)).toEqual([]);
  });

  test("an instruction set, outside its rooms and the number column of a system call", () => {
    const words =
      /\b(?:rv64\w*|riscv\w*|satp|sepc|scause|stval|mcause|mepc|mstatus|sstatus|sv39|ecall|ebreak|sfence|fcsr|medeleg)\b/gi;
    const rooms = /^kernel\/(?:hal\/[^/]+\/|hardware\/cpu\/)/;
    const named = kernel.filter(({ path }) => !rooms.test(path) && !namesIsa.has(path));
    const column = /\{ rv64: -?\d+ \}/g;
    expect(findings(named, words, ({ code }) => code.replace(column, ""))).toEqual([]);
  });
});

/** Files that may say which instruction set there is, and why. */
const namesIsa = new Map([
  ["kernel/index.ts", "hands out the core's constructor"],
  ["kernel/machine/catalogue.ts", "chooses"],
  ["kernel/hal/types.ts", "lists the sets that there are"],
]);

describe("the kernel's own compiler settings refuse", () => {
  const hostNames = {
    console: "console.log(1);",
    process: "process.exit(1);",
    Buffer: "Buffer.from([]);",
    fetch: 'fetch("");',
    setTimeout: "setTimeout(() => {}, 1);",
    performance: "performance.now();",
    TextEncoder: "new TextEncoder();",
    WebAssembly: "new WebAssembly.Memory({ initial: 1 });",
    structuredClone: "structuredClone(1);",
    document: "document.title;",
    crypto: "crypto.randomUUID();",
    "node:fs": 'import "node:fs"; fs;',
  };

  test("every name of Node and of browsers", () => {
    const folder = mkdtempSync(join(tmpdir(), "kernel-names-"));
    try {
      const options = { extends: join(root, "kernel/tsconfig.json"), include: ["*.ts"], exclude: [] };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(options));
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      Object.values(hostNames).forEach((line, index) => {
        writeFileSync(join(folder, `name${index}.ts`), `${line}\nexport {};\n`);
      });
      writeFileSync(join(folder, "fine.ts"), "export const list: number[] = [new Map([[1, 2n]]).size].toSorted();\n");
      const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
      const refused = Object.keys(hostNames).filter((_, index) => stdout.includes(`name${index}.ts`));
      expect(refused).toEqual(Object.keys(hostNames));
      expect(stdout).not.toContain("fine.ts");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("committed files do not name", () => {
  const texts = projectFiles.filter((path) => !/\.(?:png|ico|wasm|bin|elf|gz|woff2)$/.test(path)).map(sourceOf);
  const text = ({ text }: { text: string }): string => text;

  test("this machine's folders", () => {
    // A home folder, and the folder that this checkout lies in, wherever that is.
    const own = root.replace(/\/$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pattern = new RegExp(`${own}(?![\\w-])|(?<![\\w.])/(?:home|Users)/(?!nonroot|node|ostler)\\w+/`, "g");
    expect(findings(texts, pattern, text)).toEqual([]);
  });

  test("package registries: which one is used is the installer's business", () => {
    const hosts = new RegExp(
      [
        "registry\\.npm" + "js\\.org",
        "registry\\.yarn" + "pkg\\.com",
        "npm\\.pkg\\.git" + "hub\\.com",
        "pypi\\.or" + "g",
      ].join("|"),
      "g",
    );
    expect(findings(texts, hosts, text)).toEqual([]);
  });
});

test("buf finds nothing wrong with the contract", () => {
  const lint = () =>
    execFileSync(join(root, "node_modules/.bin/buf"), ["lint", join(root, "proto")], {
      encoding: "utf8",
      stdio: "pipe",
    });
  expect(lint()).toBe("");
});
