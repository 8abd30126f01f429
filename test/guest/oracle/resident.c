/* Pages that are there and stay: mincore, mlock and its like, advice, populating, and mappings that move. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

#define PAGE 4096L
#define MAPS(p) ((p) == MAP_FAILED ? -1 : 0)
static char *map(int pages, int protection, int flags) { return mmap(0, pages * PAGE, protection, flags | MAP_ANONYMOUS, -1, 0); }
static void there(const char *name, char *p, int pages) {
  unsigned char vector[64];
  printf("%s ", name);
  if (mincore(p, pages * PAGE, vector)) printf("%s", strerrorname_np(errno));
  else for (int i = 0; i < pages; i++) printf("%d", vector[i] & 1);
  printf("\n");
}
static void core(void) {
  char *p = map(8, 3, MAP_PRIVATE);
  there("new", p, 8);
  p[PAGE] = p[6 * PAGE] = 1;
  there("touched", p, 8);
  munmap(p + 3 * PAGE, PAGE);
  there("hole", p, 8);
  there("below", p, 3);
  unsigned char v[8];
  SAY(mincore(p + 1, PAGE, v)); SAY(mincore(p, 0, v)); SAY(mincore(p, PAGE, (void *)8));
  there("populated", map(4, 3, MAP_PRIVATE | MAP_POPULATE), 4);
}
static void locks(void) {
  char *p = map(8, 3, MAP_PRIVATE);
  SAY(mlock(p + PAGE + 5, PAGE));
  there("locked", p, 8);
  SAY(madvise(p, PAGE, MADV_DONTNEED)); SAY(madvise(p, 8 * PAGE, MADV_DONTNEED)); SAY(madvise(p + PAGE, PAGE, MADV_DONTNEED));
  SAY(munlock(p, 8 * PAGE)); SAY(madvise(p, 8 * PAGE, MADV_DONTNEED));
  there("discarded", p, 8);
  munmap(p + 7 * PAGE, PAGE);
  SAY(mlock(p, 8 * PAGE)); SAY(munlock(p, 8 * PAGE)); SAY(mlock(p, 0));
  SAY(mlock2(p, PAGE, 99));
  char *q = map(4, 3, MAP_PRIVATE);
  SAY(mlock2(q, 4 * PAGE, MLOCK_ONFAULT));
  there("on fault", q, 4);
  SAY(mlockall(0)); SAY(mlockall(99)); SAY(mlockall(MCL_ONFAULT));
  /* Less than what any host permits. */
  struct rlimit r = { 12 * PAGE, 12 * PAGE };
  SAY(setrlimit(RLIMIT_MEMLOCK, &r)); SAY(munlockall());
  char *big = map(100, 3, MAP_PRIVATE);
  SAY(mlock(big, 12 * PAGE)); SAY(mlock(big, 12 * PAGE)); SAY(mlock(big, 13 * PAGE)); SAY(munlock(big, 100 * PAGE));
  SAY(mlockall(MCL_CURRENT | MCL_FUTURE));
  SAY(mlockall(MCL_FUTURE));
  there("future", map(4, 3, MAP_PRIVATE), 4);
  SAY(MAPS(map(70, 3, MAP_PRIVATE)));
  SAY(munlockall());
  r.rlim_cur = 0; setrlimit(RLIMIT_MEMLOCK, &r);
  SAY(mlock(big, PAGE)); SAY(mlockall(MCL_CURRENT)); SAY(MAPS(map(1, 3, MAP_PRIVATE | MAP_LOCKED)));
}
static void forks(void) {
  char *p = map(3, 3, MAP_PRIVATE), *shared = map(2, 3, MAP_SHARED);
  p[0] = 1; p[PAGE] = 2; p[2 * PAGE] = 3;
  SAY(madvise(p + PAGE, PAGE, MADV_WIPEONFORK)); SAY(madvise(shared, PAGE, MADV_WIPEONFORK)); SAY(madvise(p + 2 * PAGE, PAGE, MADV_DONTFORK));
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    unsigned char v[1];
    printf("child %d %d\n", p[0], p[PAGE]); SAY(mincore(p + 2 * PAGE, PAGE, v)); fflush(stdout);
    pid = fork();
    if (pid == 0) { p[PAGE] = 4; printf("grandchild\n"); fflush(stdout); _exit(p[PAGE]); }
    int status; waitpid(pid, &status, 0); _exit(WEXITSTATUS(status) + p[PAGE]);
  }
  int status; waitpid(pid, &status, 0);
  SAY(status);
  printf("parent %d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
  SAY(madvise(p + PAGE, PAGE, MADV_KEEPONFORK)); SAY(madvise(p + 2 * PAGE, PAGE, MADV_DOFORK));
  fflush(stdout);
  if ((pid = fork()) == 0) { printf("child %d %d %d\n", p[0], p[PAGE], p[2 * PAGE]); fflush(stdout); _exit(0); }
  waitpid(pid, &status, 0);
}
static void advice(void) {
  char *p = map(6, 3, MAP_PRIVATE), *none = map(2, 0, MAP_PRIVATE), *shared = map(4, 3, MAP_SHARED);
  SAY(madvise(p, 2 * PAGE, 22)); there("read", p, 6);
  SAY(madvise(p + 3 * PAGE, 2 * PAGE, 23)); there("written", p, 6);
  SAY(madvise(none, PAGE, 23)); SAY(madvise(p, PAGE, 12345)); SAY(madvise(p + 1, PAGE, MADV_NORMAL));
  SAY(madvise(p, PAGE, MADV_REMOVE)); SAY(madvise(shared, PAGE, MADV_FREE));
  memset(shared, 'x', 4 * PAGE);
  SAY(madvise(shared, 2 * PAGE, MADV_REMOVE)); SAY(shared[0] + shared[PAGE] + shared[2 * PAGE]);
  SAY(madvise(shared + 2 * PAGE, 2 * PAGE, MADV_DONTNEED)); SAY(shared[3 * PAGE]);
  p[0] = 9; munmap(p + PAGE, PAGE);
  SAY(madvise(p, 3 * PAGE, MADV_DONTNEED)); SAY(p[0]);
  SAY(madvise(p, PAGE, MADV_COLD)); SAY(madvise(p, PAGE, MADV_WILLNEED)); SAY(madvise(p, 0, MADV_DONTNEED));
}
static void moves(void) {
  char *p = map(4, 3, MAP_PRIVATE), *shared = map(4, 3, MAP_SHARED);
  for (int i = 0; i < 4; i++) p[i * PAGE] = i + 1, shared[i * PAGE] = i + 11;
  char *q = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | 4, 0L);
  SAY(MAPS(q)); SAY(q != p); printf("%d %d %d %d, left %d %d\n", q[0], q[PAGE], q[2 * PAGE], q[3 * PAGE], p[0], p[3 * PAGE]);
  SAY(MAPS(mremap(q, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | 4, 0L))); SAY(MAPS(mremap(q, 4 * PAGE, 4 * PAGE, 4, 0L)));
  char *twice = mremap(shared + PAGE, 0, 2 * PAGE, MREMAP_MAYMOVE);
  SAY(MAPS(twice)); printf("%d %d\n", twice[0], twice[PAGE]); twice[0] = 77; SAY(shared[PAGE]);
  SAY(MAPS(mremap(q, 0, PAGE, MREMAP_MAYMOVE))); SAY(MAPS(mremap(shared, 0, PAGE, 0)));
  SAY(MAPS(mremap(q, 4 * PAGE, 0, MREMAP_MAYMOVE))); SAY(MAPS(mremap(q + 1, PAGE, PAGE, MREMAP_MAYMOVE))); SAY(MAPS(mremap(q, PAGE, PAGE, 99)));
  munmap(q + 3 * PAGE, PAGE);
  SAY(MAPS(mremap(q, 4 * PAGE, 9 * PAGE, MREMAP_MAYMOVE)));
  char *far = map(20, 3, MAP_PRIVATE);
  far[0] = 5;
  SAY(mremap(q, 3 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, far + 5 * PAGE) == far + 5 * PAGE);
  printf("%d %d %d %d\n", far[0], far[5 * PAGE], far[6 * PAGE], far[14 * PAGE]);
  SAY(MAPS(mremap(far, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, far + PAGE)));
}
int main(void) {
  setvbuf(stdout, 0, _IOFBF, 65536);
  core(); locks(); forks(); advice(); moves();
  return 0;
}
