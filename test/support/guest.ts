/** Guest programs for tests of the server: small C sources, compiled once by content. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const COMPILER = "riscv64-linux-gnu-gcc";
const cache = join(import.meta.dirname, "../../.cache/guest");

export const hasCompiler = spawnSync(COMPILER, ["--version"]).status === 0;

/** The ELF of a C source, compiled as the README tells students to. */
export function compileC(source: string): Uint8Array<ArrayBuffer> {
  mkdirSync(cache, { recursive: true });
  const name = join(cache, `s-${createHash("sha256").update(source).digest("hex").slice(0, 32)}`);
  if (!existsSync(name)) {
    const unique = `${name}.${process.pid}`;
    writeFileSync(`${unique}.c`, source);
    execFileSync(COMPILER, ["-static", "-O2", "-o", unique, `${unique}.c`]);
    renameSync(unique, name);
  }
  return new Uint8Array(readFileSync(name));
}

export const sources = {
  hello: `#include <stdio.h>
int main(int argc, char **argv) { printf("hello, %s\\n", argc > 1 ? argv[1] : "world"); return argc - 1; }`,
  /** Echoes lines until end of file. */
  echo: `#include <stdio.h>
#include <string.h>
int main(void) { char line[256]; setvbuf(stdout, 0, _IONBF, 0); printf("ready\\n");
  while (fgets(line, sizeof line, stdin)) printf("got %s", line);
  printf("end\\n"); return 0; }`,
  /** Prints a number now and then, for ever: what a machine that is killed in mid-run does. */
  count: `#include <stdio.h>
int main(void) { setvbuf(stdout, 0, _IONBF, 0);
  for (unsigned n = 0, x = 1;; n++) { for (int i = 0; i < 2000000; i++) x = x * 1664525 + 1013904223; printf("%u %u\\n", n, x); } }`,
  spin: `int main(void) { for (volatile long i = 0;; i++) ; }`,
  crash: `int main(void) { *(volatile int *)0 = 1; return 0; }`,
  sleepy: `#include <stdio.h>
#include <time.h>
int main(void) { struct timespec t = {1, 0}; nanosleep(&t, 0); clock_gettime(CLOCK_MONOTONIC, &t); printf("%ld\\n", (long)t.tv_sec); return 0; }`,
} as const;
