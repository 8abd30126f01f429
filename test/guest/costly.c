/* Few instructions, much work for the kernel: many regions, and permissions of all of them changed again and again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
int main(int count, char **words) {
  long pages = count > 1 ? atol(words[1]) : 1000, rounds = count > 2 ? atol(words[2]) : 10;
  int file = open(words[0], O_RDONLY);
  char *first = mmap(0, pages * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (file < 0 || first == MAP_FAILED) return 1;
  /* Neighbours of a file are never one region. */
  for (long i = 0; i < pages; i++)
    if (mmap(first + i * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED) return 2;
  for (long i = 0; i < rounds; i++)
    if (mprotect(first, pages * 4096, i % 2 ? PROT_READ : PROT_NONE)) return 3;
  puts("ok");
  return 0;
}
