/** The compiler of submissions: what it accepts, that it keeps sources inside, that it gives the same bytes. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { assertAssembly } from "../../api/grading/assembly.ts";
import { type Compiled, Compiler, checkCompileOptions } from "../../api/grading/compile.ts";
import { CONTAINMENTS, type Containment } from "../../api/grading/containment.ts";
import { assertPreprocessed } from "../../api/grading/source.ts";
import { eventually, outcome } from "../support/hosting.ts";

const signal = new AbortController().signal;
// Of our own, so that what other tests compile meanwhile is not taken for ours.
const scratch = mkdtempSync(join(tmpdir(), "ostler-scratch-"));
chmodSync(scratch, 0o711);
process.env.TMPDIR = scratch;
const dir = mkdtempSync(join(tmpdir(), "ostler-secret-"));
const secretFile = join(dir, "secret.h");
const SECRET = "root_hunter2_swordfish";
writeFileSync(secretFile, `const char leaked[] = "${SECRET}";\n#${SECRET} in a directive\n`);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const withCompiler = (await new Compiler().describe()) !== null;
const usable: Containment[] = [];
for (const containment of CONTAINMENTS) {
  if ((await new Compiler({ containments: [containment] }).describe()) !== null) usable.push(containment);
}

const compile = (source: string, containment: Containment, options: string[] = []): Promise<Compiled> =>
  new Compiler({ containments: [containment] }).compile(Buffer.from(source), options, signal);

const main = "int main(void){return 0;}\n";
const path = JSON.stringify(secretFile);
const attacks: Record<string, string> = {
  "include of an absolute path": `#include ${path}\n${main}`,
  "include through a macro": `#define P ${path}\n#include P\n${main}`,
  "include above its directory": `#include "../../../../../../../../..${secretFile}"\n${main}`,
  "include through a header directory": `#include <../../../../../../../..${secretFile}>\n${main}`,
  "include in digraphs": `%:include ${path}\n${main}`,
  "include in joined lines": `#inc\\\nlude ${path}\n${main}`,
  "include, then an error": `#include ${path}\n#error stop\n`,
  include_next: `#include_next ${path}\n${main}`,
  import: `#import ${path}\n${main}`,
  embed: `const char x[] = {\n#embed ${path}\n};\n${main}`,
  "question for a file": `#if __has_include(${path})\n#error yes\n#endif\n${main}`,
  "line directive, then an error there": `#line 1 ${path}\n#error boo\n`,
  "line directive, then a warning of the compiler": `#line 1 ${path}\nint main(void){int unused; return "x";}\n`,
  "line marker": `# 1 ${path}\nint main(void){int unused; return "x";}\n`,
  "line marker behind an empty macro": `#define E\nE # 1 ${path}\nint main(void){return "x";}\n`,
  "precompiled header pragma": `#pragma GCC pch_preprocess ${path}\n${main}`,
  "dependency pragma": `#pragma GCC dependency ${path}\n${main}`,
  incbin: `__asm__(".incbin \\"${secretFile}\\"");\n${main}`,
  "incbin in upper case": `__asm__(".INCBIN \\"${secretFile}\\"");\n${main}`,
  "incbin behind a label": `__asm__("a: b: .incbin \\"${secretFile}\\"");\n${main}`,
  "incbin behind a semicolon": `__asm__("nop; nop;.incbin \\"${secretFile}\\"");\n${main}`,
  "incbin behind a character constant": `__asm__("li a0, '\\"\\n.incbin \\"${secretFile}\\" # \\"");\n${main}`,
  "incbin behind an open string": `__asm__(".ascii \\"abc\\n\\"; .incbin \\"${secretFile}\\"");\n${main}`,
  "incbin behind a block comment": `__asm__("/* \\" */ .incbin \\"${secretFile}\\" /* \\" */");\n${main}`,
  "incbin in quotes": `__asm__("\\".incbin\\" \\"${secretFile}\\"");\n${main}`,
  "assembler include": `__asm__(".include \\"${secretFile}\\"");\n${main}`,
  "macro that spells incbin": `__asm__(".macro m x y\\n.\\\\x\\\\y \\"${secretFile}\\"\\n.endm\\nm inc bin");\n${main}`,
  "irp that spells incbin": `__asm__(".irp x,incbin\\n.\\\\x \\"${secretFile}\\"\\n.endr");\n${main}`,
  altmacro: `__asm__(".altmacro\\n.macro m x\\n.inc&x \\"${secretFile}\\"\\n.endm\\nm bin");\n${main}`,
  "mri mode": `__asm__(".mri 1\\n incbin \\"${secretFile}\\"");\n${main}`,
  "incbin in a symbol's assembly name": `int x __asm__("zz\\n.incbin \\"${secretFile}\\"\\n") = 1;\n${main}`,
  "incbin in a section's name": `int x __attribute__((section(".foo,\\"aw\\"\\n.incbin \\"${secretFile}\\"\\n#"))) = 1;\n${main}`,
  "incbin behind an ident": `#ident "x\\"\\n.incbin \\"${secretFile}"\n${main}`,
  "switching the assembler's reader off": `__asm__("#NO_APP\\n.incbin \\"${secretFile}\\"\\n#APP");\n${main}`,
  "options for the link-time optimiser": `const char o[] __attribute__((section(".gnu.lto_.opts"))) = "-fplugin=/tmp/x.so";\n${main}`,
};

describe.skipIf(!withCompiler)("a source cannot reach outside its directory", () => {
  // Where the host is hidden, and where only our own reading of the source protects it.
  describe.for([...new Set([usable[0]!, usable.at(-1)!])])("%s", (containment) => {
    test.for(Object.entries(attacks))("%s", async ([, source]) => {
      const { messages, program } = await compile(source, containment);
      expect(messages).not.toContain(SECRET);
      expect(messages).not.toContain("in a directive");
      expect(program === null ? "" : Buffer.from(program).toString("latin1")).not.toContain(SECRET);
      expect(program).toBeNull();
    });
  });

  test("what it may include and what it is refused is the same in every containment", async () => {
    for (const source of Object.values(attacks).slice(0, 8)) {
      const results = await Promise.all(usable.map((containment) => compile(source, containment)));
      for (const result of results) expect(result).toEqual(results[0]);
    }
  });

  test("a missing file outside says the same as one that is there", async () => {
    const there = await compile(`#include ${path}\n`, usable[0]!);
    const missing = await compile(`#include ${JSON.stringify(`${dir}/other.h`)}\n`, usable[0]!);
    expect(missing).toEqual(there);
  });
});

describe.skipIf(!withCompiler)("bombs", () => {
  const limits = { cpuSeconds: 2, memoryBytes: 256 * 1024 * 1024, fileBytes: 8 * 1024 * 1024, wallMs: 240_000 };
  const bombs: Record<string, string> = {
    "self-inclusion": `#include "main.c"\n#include "main.c"\n${main}`,
    "macro expansion": `${Array.from({ length: 32 }, (_, i) => `#define M${i + 1} M${i} M${i} M${i} M${i}\n`).join("")}#define M0 int;\nM32\n`,
    "a huge array": `char x[1000000000] = {1};\n${main}`,
    "a huge fill": `__asm__(".data\\n.fill 0x7fffffff, 8, 1");\n${main}`,
    "many errors": `${"@ ".repeat(200_000)}\n`,
    "many lines of errors": `${"int main(void){return x;}\n".repeat(20_000)}`,
    "deep nesting": `int main(void){return ${"(".repeat(200_000)}1${")".repeat(200_000)};}`,
    "a slow table": `#define A(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__\nint main(void){int a[]={A(A(A(A(A(A(A(A(A(1,)))))))))};return sizeof a;}`,
  };
  test.for(Object.entries(bombs))("%s", async ([, source]) => {
    const { succeeded, messages } = await new Compiler({ limits }).compile(Buffer.from(source), [], signal);
    expect(succeeded).toBe(false);
    expect(Buffer.byteLength(messages)).toBeLessThanOrEqual(64 * 1024);
    expect(messages).not.toBe("");
    const again = await new Compiler({ limits }).compile(Buffer.from(source), [], signal);
    expect(again.messages).toBe(messages);
  });

  test("a compilation that nobody wants any more ends, and leaves nothing behind", async () => {
    const controller = new AbortController();
    const running = outcome(new Compiler().compile(Buffer.from(bombs["self-inclusion"]!), [], controller.signal));
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("ostler-compile-"));
    await eventually(() => folders().length > 0);
    controller.abort(new Error("unwanted"));
    expect(await running).toMatchObject({ error: { message: "unwanted" } });
    expect(folders()).toEqual([]);
  });
});

describe.skipIf(!withCompiler)("what is asked of students compiles", () => {
  const sources: Record<string, string> = {
    hello: `#include <stdio.h>\nint main(void){puts("include <incbin> .macro 'x' # ; \\"q\\" /* c */ \\\\");return 0;}\n`,
    "system headers": `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n#include <errno.h>\n#include <pthread.h>\n#include <signal.h>\n#include <sys/mman.h>\n#include <sys/stat.h>\n#include <sys/syscall.h>\n#include <sys/wait.h>\n#include <sys/socket.h>\n#include <sys/mount.h>\n#include <linux/futex.h>\n#include <stdatomic.h>\n#include <math.h>\n#include <time.h>\n#include <fcntl.h>\n#include <limits.h>\n${main}`,
    "inline assembly": `long f(long a){long r;__asm__ volatile("1: mv %0, %1\\n\\taddi %0, %0, 'a' # it's a comment\\n\\tbnez %0, 1b; nop\\n\\t.option push; .option norvc; .option pop\\n\\t.word 0x13" : "=r"(r) : "r"(a) : "memory");return r;}\n__asm__(".section .rodata\\n.globl zz\\nzz: .asciz \\"a b\\"\\n.text");\n${main}`,
    "system call by hand": `int main(void){register long a7 __asm__("a7")=93;register long a0 __asm__("a0")=7;__asm__ volatile("ecall"::"r"(a7),"r"(a0));}\n`,
    threads: `#include <pthread.h>\n__thread int t;_Atomic int n;static void*f(void*a){t=1;n++;return a;}int main(void){pthread_t p;pthread_create(&p,0,f,0);pthread_join(p,0);return n;}\n`,
    "names and strings in other scripts": `#include <stdio.h>\nint größe=1;int main(void){printf("žluťoučký kůň %d 漢字\\n",größe);return 0;}\n`,
    "line directive of a generator": `#line 10 "parser.y"\nint main(void){int unused;return 0;}\n`,
    pragmas: `#pragma GCC optimize("O3")\n#pragma GCC diagnostic push\n_Pragma("GCC diagnostic ignored \\"-Wunused-variable\\"")\nint main(void){int unused;return 0;}\n`,
    attributes: `__attribute__((section(".mydata"),aligned(64))) int a=1;__attribute__((constructor)) static void c(void){a=2;}__attribute__((weak)) int w(void){return 1;}int v(void) __attribute__((alias("w")));int main(void){return a+v();}\n`,
    "switch tables and doubles": `double d[]={1.5,2.5};int f(int x){switch(x){case 0:return 3;case 1:return 9;case 2:return 27;case 3:return 2;case 4:return 11;case 5:return 77;}return (int)d[x&1];}int main(int c,char**v){(void)v;return f(c);}\n`,
  };
  test.for(Object.entries(sources))("%s", async ([, source]) => {
    for (const options of [
      [],
      ["-O0", "-g", "-Wall", "-Wextra", "-pthread", "-lm", "-std=gnu17"],
      ["-O3", "-march=rv64gc", "-DN=3", "-fno-inline"],
    ]) {
      const { succeeded, messages, program } = await compile(source, usable[0]!, options);
      expect(messages.replaceAll(/^.*warning.*$/gm, "")).not.toContain("error");
      expect(succeeded).toBe(true);
      expect(Buffer.from(program!.subarray(0, 4)).toString("latin1")).toBe("\x7fELF");
    }
  });

  test("same source, same bytes, in every containment and at any time", async () => {
    const source = `#include <stdio.h>\nint main(void){int unused;printf("%s %s %s %d\\n",__DATE__,__TIME__,__FILE__,__COUNTER__);return 0;}\n`;
    const first = await compile(source, usable[0]!, ["-g", "-O2", "-Wall"]);
    for (const containment of usable) {
      const again = await compile(source, containment, ["-g", "-O2", "-Wall"]);
      expect(Buffer.compare(again.program!, first.program!)).toBe(0);
      expect(again.messages).toBe(first.messages);
    }
    expect(first.messages).toContain("main.c:2:20: warning: unused variable");
  });

  test("messages name nothing of the host, but sources are quoted as they are", async () => {
    const source = `#include <stdio.h>\nint printf(int);char *p = "/usr/lib/x" + "";\n`;
    expect((await compile(source, usable[0]!)).messages).toMatch(
      /\nstdio\.h:\d+:\d+: note: previous declaration[\s\S]*\| .*"\/usr\/lib\/x"/,
    );
    const { messages } = await compile("int f(void);int g(void){return f();}\n", usable[0]!);
    expect(messages).toMatch(/^ld: crt1\.o: in function `_start':\n/);
    expect(messages).not.toContain("/usr");
  });

  test("messages of an error name the line", async () => {
    const { succeeded, messages } = await compile("int main(void) {\n  return x;\n}\n", usable[0]!);
    expect(succeeded).toBe(false);
    expect(messages).toContain("main.c:2:10: error: 'x' undeclared");
  });
});

test("without a compiler the error says what to install", async () => {
  const compiler = new Compiler({ compiler: "riscv64-nowhere-gcc" });
  expect(await compiler.describe()).toBeNull();
  await expect(compiler.compile(Buffer.from(main), [], signal)).rejects.toMatchObject({
    reason: "NO_C_COMPILER",
    message: expect.stringContaining("apt-get install"),
  });
});

describe("options", () => {
  test.skipIf(!withCompiler).each([["-fbogus"], ["-Wl"], ["-mbogus=1"], ["-std=c3000"]])(
    "%s, which the compiler does not know, is refused in its words",
    async (option) => {
      const usable = new Compiler().assertUsable(["-O2", option], "spec.compile.options", signal);
      await expect(usable).rejects.toMatchObject({
        violations: [{ field: "spec.compile.options", description: expect.stringContaining(option.slice(1, 7)) }],
      });
    },
  );

  test("that are good, or that nobody can judge, are accepted", async () => {
    await new Compiler().assertUsable(["-O2", "-Wall", "-Werror", "-std=c17", "-pthread", "-lm"], "field", signal);
    await new Compiler({ compiler: "no-such-compiler" }).assertUsable(["-fbogus"], "field", signal);
  });

  beforeAll(() =>
    checkCompileOptions(
      ["-O2", "-Wall", "-std=c11", "-g", "-DX=1", "-fno-inline", "-march=rv64gc", "-pthread", "-lm", "-Werror"],
      "options",
    ),
  );
  test.for([
    "-fplugin=x",
    "-flto",
    "@file",
    "-B/tmp",
    "-specs=x",
    "-Wl,-T,x",
    "-Wa,-a",
    "-Wp,-MD",
    "-include",
    "-I/etc",
    "-o",
    "x",
    "-fdump-tree-all",
    "-fuse-ld=gold",
    "-wrapper",
    "-fpreprocessed",
    "-save-temps",
    "-DX=a b",
    "-O2\n-flto",
    "-fprofile-use",
    "-fno-plugin",
  ])("%s is refused", (option) => {
    expect(() => checkCompileOptions(["-O2", option], "spec.compile.options")).toThrow("spec.compile.options[1]");
  });
});

describe("the reading of assembly and of preprocessed text", () => {
  const bad = [
    '.inc\\bin "x"',
    'a = 5; .incbin "x"',
    ".rept 3",
    ".if 1",
    "`x`",
    '.string "a',
    ".byte '\"",
    '"x": .incbin',
    '.set x, "y"',
    '\f.incbin "x"',
    'nop "x"',
    '.string "a" ; .include "b"',
    "/* x",
    '1:.incbin "x"',
    '$:.INCLUDE "x"',
  ];
  test.for(bad)("refused: %s", (line) => {
    expect(() => assertAssembly(`\t.text\n${line}\n`)).toThrow("submissions may not do");
  });
  test.for([
    ".x = 5",
    "a: 1: nop # don't \"",
    '.string "\\\\"',
    '.string "\\"; .incbin \\"x"',
    "li a0, 'x'",
    '\t.section\t.rodata.str1.8,"aMS",@progbits,1',
  ])("accepted: %s", (line) => {
    assertAssembly(`${line}\n`);
  });
  test("a marker with escapes is read as the compiler reads it", () => {
    expect(() => assertPreprocessed('# 1 "\\057etc/passwd"\n', ["/usr/include"])).toThrow("outside its own directory");
    expect(() => assertPreprocessed('# 1 "/usr/include/../../etc/passwd"\n', ["/usr/include"])).toThrow(
      "outside its own directory",
    );
    assertPreprocessed('# 1 "/usr/include/stdio.h" 1 3 4\n#pragma once\nint x;\n', ["/usr/include"]);
  });
});
