// Memory that is promised, and memory that is touched: commit sparse|hog|modest|call <MiB>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#define PAGE 4096UL

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  size_t bytes = strtoul(argv[2], 0, 10) << 20;
  char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror(argv[1]);
    return 1;
  }
  // sparse: a page here and there; hog: all of it, to sit on; modest: little of it, again and
  // again; call: all of it, by system calls that fill it.
  if (!strcmp(argv[1], "sparse"))
    for (size_t at = 0; at < bytes; at += bytes / 16) memory[at] = 1;
  if (!strcmp(argv[1], "hog"))
    for (size_t at = 0; at < bytes; at += PAGE) memory[at] = 1;
  if (!strcmp(argv[1], "hog")) sleep(1);
  for (int i = 0; i < 200 && !strcmp(argv[1], "modest"); i++) {
    nanosleep(&(struct timespec){.tv_nsec = 100000}, 0);
    memory[i * PAGE] = 1;
  }
  for (size_t at = 0; at < bytes && !strcmp(argv[1], "call"); at += 1 << 17)
    if (getrandom(memory + at, 1 << 17, 0) < 0) {
      perror(argv[1]);
      return 1;
    }
  printf("%s done\n", argv[1]);
  return 0;
}
