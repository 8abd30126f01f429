// The allocator under patterns of sizes: what is written stays, what is freed comes again, and errors are errors.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "random.h"

enum { SLOTS = 300 };
static unsigned char *slot[SLOTS];
static size_t length[SLOTS];
static unsigned char mark[SLOTS];

static size_t some_size(void) {
  static const size_t scales[] = {16, 200, 4000, 70000, 400000};
  return 1 + random_below(scales[random_below(5)]);
}

static int damaged(int i) {
  for (size_t at = 0; at < length[i]; at++)
    if (slot[i][at] != mark[i]) return 1;
  return 0;
}

static void fill(int i, size_t size) {
  length[i] = size;
  mark[i] = (unsigned char)random_word();
  memset(slot[i], mark[i], size);
}

static void step(int i, unsigned long counts[4]) {
  size_t size = some_size();
  if (slot[i] == 0) {
    size_t align = (size_t)16 << random_below(9);
    switch (random_below(3)) {
      case 0: slot[i] = malloc(size); break;
      case 1:
        slot[i] = calloc(size, 1);
        for (size_t at = 0; at < size; at++) counts[3] += slot[i][at] != 0;
        break;
      default:
        if (posix_memalign((void **)&slot[i], align, size)) abort();
        counts[3] += (uintptr_t)slot[i] % align != 0;
    }
    fill(i, size);
    counts[0]++;
  } else if (random_below(3) == 0) {
    size_t kept = size < length[i] ? size : length[i];
    slot[i] = realloc(slot[i], size);
    length[i] = kept;
    counts[3] += damaged(i);
    fill(i, size);
    counts[1]++;
  } else {
    counts[3] += damaged(i);
    free(slot[i]);
    slot[i] = 0;
    counts[2]++;
  }
}

int main(void) {
  unsigned long counts[4] = {0};
  for (int n = 0; n < 1500; n++) step((int)random_below(SLOTS), counts);
  for (int i = 0; i < SLOTS; i++) {
    if (slot[i]) counts[3] += damaged(i);
    free(slot[i]);
  }
  printf("made %lu resized %lu freed %lu wrong %lu\n", counts[0], counts[1], counts[2], counts[3]);
  errno = 0;
  volatile size_t huge = (size_t)-1 / 2 - 100;
  printf("%d %s\n", malloc(huge) == 0, strerror(errno));
  errno = 0;
  printf("%d %s\n", calloc(huge, 4) == 0, strerror(errno));
  printf("%d\n", posix_memalign((void **)&slot[0], 24, 8));
  char *usable = malloc(100);
  printf("%zu\n", malloc_usable_size(usable));
  printf("trim %d\n", malloc_trim(0) >= 0);
  return 0;
}
