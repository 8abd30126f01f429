// mmap, munmap, mprotect, mremap, madvise and brk: what is where, what stays, and which errors there are.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };
static const char *name(long result) { return result == -1 ? strerrorname_np(errno) : "ok"; }
#define SAY(call) printf("%s: %s\n", #call, (errno = 0, name((long)(call))))
#define SHOW(value) printf("%s = %ld\n", #value, (long)(value))

static char *fresh(int pages) {
  char *a = mmap(0, pages * PAGE, RW, ANON, -1, 0);
  for (int i = 0; i < pages; i++) a[i * PAGE] = 'a' + i;
  return a;
}

static void holes(void) {
  char *a = fresh(8);
  SAY(munmap(a + 2 * PAGE, 2 * PAGE));
  SAY(munmap(a + 2 * PAGE, 2 * PAGE));
  SAY(munmap(a, 0));
  SAY(munmap(a + 1, PAGE));
  SAY(munmap((void *)(1UL << 62), PAGE));
  SAY(mprotect(a, 4 * PAGE, PROT_READ));
  SAY(mprotect(a + 1, PAGE, PROT_READ));
  SAY(mprotect(a, PAGE, 0x40));
  SAY(mprotect(a, PAGE, PROT_NONE));
  SAY(mprotect(a, PAGE, RW));
  SHOW(a[0]);
  SHOW(a[4 * PAGE]);
  SAY(madvise(a + 5 * PAGE, PAGE, MADV_DONTNEED));
  SHOW(a[5 * PAGE]);
  SAY(madvise(a + 1, PAGE, MADV_DONTNEED));
  SAY(madvise(a, 0, MADV_DONTNEED));
  SHOW(a[0]);
  SHOW(mmap(a + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == a + 2 * PAGE);
  SHOW(mmap(a + 6 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == a + 6 * PAGE);
  SHOW(a[6 * PAGE]);
  SHOW(a[7 * PAGE]);
}

static void wrong(void) {
  SAY(mmap(0, 0, RW, ANON, -1, 0));
  SAY(mmap(0, PAGE, RW, MAP_ANONYMOUS, -1, 0));
  SAY(mmap((void *)1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
  SAY(mmap(0, PAGE, RW, MAP_PRIVATE, -1, 0));
  SAY(mmap(0, PAGE, RW, MAP_PRIVATE, 99, 0));
  SAY(mmap(0, PAGE, RW, MAP_PRIVATE, 99, 1));
  SAY(mmap(0, 1UL << 50, RW, ANON, -1, 0));
  SAY(mmap(0, (size_t)-1, RW, ANON, -1, 0));
  SAY(mmap((void *)0x123456789, PAGE, RW, ANON, -1, 0));
}

static void moved(void) {
  char *a = fresh(4);
  SAY(mremap(a + 1, PAGE, PAGE, MREMAP_MAYMOVE));
  SAY(mremap(a, PAGE, PAGE, 64));
  SAY(mremap(a, PAGE, PAGE, MREMAP_FIXED, a));
  SAY(mremap((void *)(3UL << 20), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  SHOW(mremap(a, 4 * PAGE, 3 * PAGE, 0) == a);
  SAY(munmap(a + 3 * PAGE, PAGE));
  mmap(a + 3 * PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0);
  SAY(mremap(a, 3 * PAGE, 5 * PAGE, 0));
  char *b = mremap(a, 3 * PAGE, 500 * PAGE, MREMAP_MAYMOVE);
  SHOW(b != a);
  printf("%c%c%c%d\n", b[0], b[PAGE], b[2 * PAGE], b[499 * PAGE]);
  char *c = mmap(0, 4 * PAGE, PROT_NONE, ANON, -1, 0);
  SHOW(mremap(b, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, c + PAGE) == c + PAGE);
  printf("%c%c\n", c[PAGE], c[2 * PAGE]);
  SAY(mremap(c + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, c + 2 * PAGE));
  SHOW(b[2 * PAGE]);
}

static void heap(void) {
  char *start = sbrk(0);
  SHOW(sbrk(3 * PAGE + 5) == start);
  memset(start, 'h', 3 * PAGE + 5);
  SHOW((char *)sbrk(0) - start);
  SHOW(brk(start) == 0);
  SHOW(brk(start + 3 * PAGE) == 0);
  SHOW(start[2 * PAGE]);
  SHOW(syscall(SYS_brk, 0) == (long)sbrk(0));
  SHOW(syscall(SYS_brk, 1UL << 50) == (long)sbrk(0));
  SHOW(syscall(SYS_brk, 4096) == (long)sbrk(0));
  SAY(sbrk(1L << 50));
}

static void file(const char *path) {
  int fd = open(path, O_RDONLY);
  char *a = mmap(0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
  printf("%.8s\n", a);
  SAY(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 7));
  SAY(mmap(0, PAGE, RW, MAP_SHARED, fd, 0));
  SAY(mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, 0));
  char *b = mmap(0, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
  close(fd);
  b[PAGE] = '#';
  printf("%.8s|%.8s|%d\n", a, b + PAGE, b[3 * PAGE - 1]);
  SAY(madvise(b + PAGE, PAGE, MADV_DONTNEED));
  printf("%.8s\n", b + PAGE);
  SAY(mprotect(b, PAGE, PROT_NONE));
  SAY(mprotect(b, PAGE, RW));
  printf("%.8s\n", b);
  SAY(mprotect(a, PAGE, RW));
  a[0] = '!';
  printf("%.8s\n", a);
}

int main(int argc, char **argv) {
  holes();
  wrong();
  moved();
  heap();
  if (argc > 1) file(argv[1]);
  return 0;
}
