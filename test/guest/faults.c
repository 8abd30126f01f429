#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <signal.h>
static volatile char sink;
static __attribute__((noinline)) int deep(int n) { volatile char big[4096]; big[0] = n; return n == -1 ? 0 : deep(n + 1) + big[0]; }
int main(int argc, char **argv) {
  const char *what = argv[1];
  if (!strcmp(what, "null-write")) *(volatile int *)0 = 1;
  if (!strcmp(what, "null-read")) sink = *(volatile char *)8;
  if (!strcmp(what, "kernel")) sink = *(volatile char *)0xffffffc000000000UL;
  if (!strcmp(what, "noncanonical")) sink = *(volatile char *)0x1234567890abcdefUL;
  if (!strcmp(what, "text-write")) *(volatile char *)(uintptr_t)main = 1;
  if (!strcmp(what, "jump")) ((void (*)(void))0x123456)();
  if (!strcmp(what, "jump-data")) { char *p = malloc(100); ((void (*)(void))p)(); }
  if (!strcmp(what, "illegal")) __asm__ volatile(".word 0xffffffff");
  if (!strcmp(what, "csr")) __asm__ volatile("csrr a0, mstatus");
  if (!strcmp(what, "ebreak")) __asm__ volatile("ebreak");
  if (!strcmp(what, "atomic")) { static char b[16]; __asm__ volatile("amoadd.w zero, zero, (%0)" ::"r"(b + 1) : "memory"); }
  if (!strcmp(what, "overflow")) return deep(0);
  if (!strcmp(what, "beyond")) { int fd = open("/bin/program", O_RDONLY); char *m = mmap(0, 1 << 24, PROT_READ, MAP_PRIVATE, fd, 0); sink = m[(1 << 24) - 1]; }
  if (!strcmp(what, "abort")) abort();
  if (!strcmp(what, "raise")) raise(SIGTERM);
  if (!strcmp(what, "memory")) for (;;) { char *p = malloc(1 << 18); if (!p) return 12; memset(p, 1, 1 << 18); }
  if (!strcmp(what, "output")) for (;;) if (write(1, "0123456789", 10) != 10) return 3;
  if (!strcmp(what, "spin")) for (;;) ;
  if (!strcmp(what, "exit")) _exit(0x1ff);
  return 0;
}
