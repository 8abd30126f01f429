/* From one open file to another, in the directory that is given. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

static void show(const char *what, int fd) {
  char text[100] = "";
  long n = pread(fd, text, 99, 0);
  printf("%s: %ld '%s', at %ld\n", what, n, text, (long)lseek(fd, 0, SEEK_CUR));
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) < 0) return 1;
  mkdir("transfer", 0755);
  if (chdir("transfer") < 0) return 2;
  int in = open("in", O_CREAT | O_RDWR, 0644), out = open("out", O_CREAT | O_RDWR, 0644), p[2], q[2];
  int directory = open(".", O_RDONLY), append = open("out", O_WRONLY | O_APPEND);
  off_t at = 4, to = 2;
  char text[100] = "";
  pipe2(p, O_NONBLOCK), pipe2(q, O_NONBLOCK);
  write(in, "0123456789abcdef", 16);
  SAY(sendfile(out, in, 0, 5));
  lseek(in, 0, SEEK_SET);
  SAY(sendfile(out, in, 0, 5));
  show("in", in), show("out", out);
  SAY(sendfile(out, in, &at, 3));
  printf("at %ld\n", (long)at);
  show("in", in), show("out", out);
  at = 100;
  SAY(sendfile(out, in, &at, 3));
  at = -1;
  SAY(sendfile(out, in, &at, 3));
  SAY(sendfile(p[1], in, 0, 100));
  SAY(sendfile(out, p[0], 0, 100));
  SAY(sendfile(append, in, 0, 1));
  SAY(sendfile(99, in, 0, 1));
  SAY(sendfile(p[0], in, 0, 1));
  SAY(read(p[0], text, 100));
  printf("%s\n", text);
  printf("-- copy_file_range\n");
  at = 10;
  SAY(copy_file_range(in, &at, out, &to, 4, 0));
  printf("%ld %ld\n", (long)at, (long)to);
  show("out", out);
  lseek(in, 14, SEEK_SET);
  SAY(copy_file_range(in, 0, out, 0, 100, 0));
  show("in", in), show("out", out);
  at = 0, to = 2;
  SAY(copy_file_range(in, &at, in, &to, 4, 0));
  to = 8;
  SAY(copy_file_range(in, &at, in, &to, 4, 0));
  show("in", in);
  SAY(copy_file_range(in, 0, p[1], 0, 1, 0));
  SAY(copy_file_range(directory, 0, out, 0, 1, 0));
  SAY(copy_file_range(in, 0, append, 0, 1, 0));
  SAY(copy_file_range(in, 0, out, 0, 1, 1));
  printf("-- splice\n");
  at = 0;
  SAY(splice(in, &at, p[1], 0, 6, 0));
  SAY(splice(p[0], 0, q[1], 0, 2, 0));
  SAY(tee(p[0], q[1], 100, 0));
  memset(text, 0, sizeof text);
  SAY(read(q[0], text, 100));
  printf("%s\n", text);
  to = 0;
  SAY(splice(p[0], 0, out, &to, 3, 0));
  show("out", out);
  SAY(splice(p[0], 0, out, 0, 100, 0));
  SAY(splice(p[0], 0, out, 0, 100, 0));
  SAY(splice(p[0], &at, q[1], 0, 1, 0));
  SAY(splice(in, 0, out, 0, 1, 0));
  SAY(splice(p[0], 0, p[1], 0, 1, 0));
  SAY(tee(p[0], out, 1, 0));
  SAY(tee(p[0], q[1], 1, 0));
  SAY(splice(in, 0, q[1], 0, 0, 0));
  close(p[0]);
  return 0;
}
