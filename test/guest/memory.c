#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#define CHECK(e) do { if (!(e)) { printf("failed: %s (%s)\n", #e, strerrorname_np(errno)); return 1; } } while (0)
int main(void) {
  char *a = mmap(0, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(a != MAP_FAILED);
  for (int i = 0; i < 5; i++) a[i * 4096] = 'a' + i;
  CHECK(munmap(a + 4096, 4096) == 0);
  CHECK(mprotect(a, 4096, PROT_NONE) == 0);
  CHECK(mprotect(a, 4096, PROT_READ) == 0 && a[0] == 'a');
  CHECK(mprotect(a, 2 * 4096, PROT_READ) == -1 && errno == ENOMEM);
  char *hole = mmap(a + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK(hole == a + 4096 && hole[0] == 0);
  CHECK(mmap(a, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
  char *b = mremap(a + 2 * 4096, 3 * 4096, 300 * 4096, MREMAP_MAYMOVE);
  CHECK(b != MAP_FAILED && b[0] == 'c' && b[4096] == 'd' && b[8192] == 'e' && b[299 * 4096] == 0);
  b[299 * 4096] = 1;
  b = mremap(b, 300 * 4096, 2 * 4096, 0);
  CHECK(b != MAP_FAILED && b[4096] == 'd');
  CHECK(madvise(b, 4096, MADV_DONTNEED) == 0 && b[0] == 0 && b[4096] == 'd');
  CHECK(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
  CHECK(mmap(0, 1UL << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  CHECK(malloc(1UL << 34) == 0 && errno == ENOMEM);
  char *brk0 = sbrk(0);
  CHECK(sbrk(100000) == brk0);
  memset(brk0, 7, 100000);
  CHECK(sbrk(-100000) == brk0 + 100000 && sbrk(0) == brk0);
  CHECK(sbrk(8192) == brk0 && brk0[4096] == 0);
  puts("ok");
  return 0;
}
