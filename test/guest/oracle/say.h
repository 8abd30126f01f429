/* Says what a call returned, by its own text. Included behind _GNU_SOURCE. */
#pragma once
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *result(long value) {
  static char text[8][32];
  static int next;
  char *into = text[next++ & 7];
  if (value < 0) snprintf(into, 32, "-1 %s", strerrorname_np(errno));
  else snprintf(into, 32, "%ld", value);
  return into;
}
#define SAY(e) (errno = 0, printf("%s = %s\n", #e, result((long)(e))), fflush(stdout))
