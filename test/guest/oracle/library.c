// What the C library does without asking the kernel: jumps, sorting, strings, getopt, environment, exit handlers.
#define _GNU_SOURCE
#include <ctype.h>
#include <getopt.h>
#include <locale.h>
#include <regex.h>
#include <search.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include "random.h"

static jmp_buf back;
static int depth;

static void descend(int n) {
  double kept = n * 1.25;
  if (n == 0) longjmp(back, depth + 1);
  depth++;
  descend(n - 1);
  printf("never %f\n", kept);
}

static void jumps(void) {
  volatile double across = 2.5;
  for (int n = 1; n < 5; n++) {
    depth = 0;
    int came = setjmp(back);
    if (came == 0) descend(n * 10);
    across *= 1.5;
    printf("came %d %f\n", came, across);
  }
  printf("zero becomes %d\n", ({ int r = setjmp(back); if (r == 0) longjmp(back, 0); r; }));
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void sorting(void) {
  enum { COUNT = 20000 };
  static uint64_t words[COUNT];
  for (int shape = 0; shape < 4; shape++) {
    for (int i = 0; i < COUNT; i++) words[i] = shape == 0 ? random_word() : shape == 1 ? (uint64_t)i : shape == 2 ? (uint64_t)-i : random_below(9);
    qsort(words, COUNT, sizeof *words, by_value);
    uint64_t hash = 0, wrong = 0;
    for (int i = 0; i < COUNT; i++) {
      hash = hash_step(hash, words[i]);
      wrong += i > 0 && words[i - 1] > words[i];
    }
    uint64_t key = words[COUNT / 3];
    printf("sorted %016lx wrong %lu found %d\n", hash, wrong, bsearch(&key, words, COUNT, 8, by_value) != 0);
  }
  void *root = 0;
  for (int i = 0; i < 100; i++) tsearch(&words[random_below(COUNT)], &root, by_value);
  printf("tree %d\n", tfind(&words[0], &root, by_value) != 0);
}

static void strings(void) {
  static unsigned char left[600], right[600];
  uint64_t hash = 0;
  for (int n = 0; n < 3000; n++) {
    size_t a = random_below(64), b = random_below(64), size = random_below(400);
    for (size_t i = 0; i < 600; i++) left[i] = (unsigned char)(random_word() % 3);
    memcpy(right, left, 600);
    memmove(left + a, left + b, size);
    right[b + size / 2] ^= 1;
    int order = memcmp(left + a, right + b, size);
    hash = hash_step(hash, (uint64_t)((order > 0) - (order < 0)));
    left[599] = right[599] = 0;
    hash = hash_step(hash, strlen((char *)left + a) + 1000 * strnlen((char *)right + b, size));
    hash = hash_step(hash, (uint64_t)((unsigned char *)memchr(left + a, 2, 599 - a) - left));
    hash = hash_step(hash, strspn((char *)left + a, "\1\2") + 7 * strcspn((char *)right + b, "\2"));
  }
  printf("strings %016lx\n", hash);
  char text[] = "a,b;;c, d", *rest, *part = strtok_r(text, ",; ", &rest);
  for (; part; part = strtok_r(0, ",; ", &rest)) printf("<%s>", part);
  printf("%s %d %s\n", strstr("haystack needle", "need"), strcasecmp("ABC", "abd"), strerror(22));
  for (int c = 0; c < 256; c++) hash = hash_step(hash, (uint64_t)(!!isalpha(c) + 2 * !!isdigit(c) + 4 * !!ispunct(c) + 8 * !!isspace(c) + toupper(c) * 16));
  printf("%016lx %zu %d\n", hash, wcslen(L"wide"), wcscmp(L"a", L"b"));
}

static void patterns(void) {
  regex_t pattern;
  regmatch_t match[3];
  printf("%d ", regcomp(&pattern, "([a-z]+)-([0-9]+)", REG_EXTENDED));
  printf("%d ", regexec(&pattern, "see item-42 here", 3, match, 0));
  printf("%d %d %d\n", (int)match[1].rm_so, (int)match[2].rm_so, (int)match[2].rm_eo);
  regfree(&pattern);
}

static void options(int argc, char **argv) {
  static const struct option longs[] = {{"size", required_argument, 0, 's'}, {"verbose", no_argument, 0, 'v'}, {0, 0, 0, 0}};
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "s:vx", longs, 0)) != -1;) printf("option %c %s\n", c, optarg ? optarg : "-");
  for (int i = optind; i < argc; i++) printf("argument %d %s\n", i, argv[i]);
}

static void first(void) { puts("first handler"); }
static void second(void) { puts("second handler"); }

int main(int argc, char **argv) {
  jumps();
  sorting();
  strings();
  patterns();
  options(argc, argv);
  printf("%s %s %s\n", setlocale(LC_ALL, "C"), getenv("NOT_THERE") ? "there" : "not there", getenv("ORACLE"));
  setenv("NEW", "value", 1);
  printf("%s %d\n", getenv("NEW"), unsetenv("NEW"));
  srandom(7);
  printf("%ld %ld %d\n", random(), random(), rand());
  srand48(3);
  printf("%.17g %ld\n", drand48(), lrand48());
  char *line = 0;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) printf("line %s", line);
  atexit(first);
  atexit(second);
  exit(300);
}
