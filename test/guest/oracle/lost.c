/* Directories and files whose names were taken away while somebody uses them, with those above them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "say.h"

static char text[PATH_MAX];
static const char *link_of(int fd) {
  static char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}

/* Where one is, and what was above it, with the names of neither. */
static void place(const char *base) {
  struct stat s, above;
  printf("-- place\n");
  SAY(mkdir("a", 0755)), SAY(mkdir("a/b", 0755)), SAY(mkdir("a/b/c", 0755)), SAY(mkdir("tree", 0755));
  close(open("file", O_CREAT | O_WRONLY, 0644));
  stat("a/b", &above);
  SAY(chdir("a/b/c"));
  SAY(rmdir("../c")), SAY(rmdir("../../b")), SAY(rmdir("../../../a"));
  SAY(getcwd(text, sizeof text) == 0);
  SAY(stat("..", &s));
  SAY(s.st_ino == above.st_ino), SAY(s.st_nlink);
  SAY(stat("../..", &s)), SAY(s.st_nlink);
  SAY(access("../../../file", F_OK));
  SAY(rename("../../../tree", "t"));
  SAY(rename("../../../file", "f"));
  SAY(mkdir("d", 0755)), SAY(mkdir("../d", 0755));
  SAY(link("../../../file", "f"));
  SAY(chdir("..")), SAY(chdir("..")), SAY(chdir(".."));
  SAY(strcmp(getcwd(text, sizeof text), base));
  SAY(rmdir("tree")), SAY(unlink("file"));
}

/* A file that is open, and the directory that it was in. */
static void file(void) {
  char byte[4] = "";
  printf("-- file\n");
  SAY(mkdir("a", 0755)), SAY(mkdir("a/b", 0755));
  int fd = open("a/b/f", O_CREAT | O_RDWR, 0644);
  SAY(write(fd, "abc", 3));
  SAY(unlink("a/b/f")), SAY(rmdir("a/b")), SAY(rmdir("a"));
  SAY(readlink(link_of(fd), text, sizeof text) > 0);
  int again = open(link_of(fd), O_RDONLY);
  SAY(read(again, byte, 3)), puts(byte);
  SAY(readlink(link_of(again), text, sizeof text) > 0);
  close(fd);
  SAY(readlink(link_of(again), text, sizeof text) > 0);
  close(again);
}

/* One that is opened by what is open. */
static void again(void) {
  char other[PATH_MAX] = "";
  printf("-- again\n");
  memset(text, 0, sizeof text);
  int fd = open("f", O_CREAT | O_RDWR, 0644), copy = open(link_of(fd), O_RDONLY);
  SAY(readlink(link_of(fd), text, sizeof text) > 0), SAY(readlink(link_of(copy), other, sizeof other) > 0);
  SAY(strcmp(text, other));
  SAY(rename("f", "g"));
  memset(other, 0, sizeof other), SAY(readlink(link_of(copy), other, sizeof other) > 0);
  puts(strrchr(other, '/'));
  SAY(unlink("g"));
  close(fd), close(copy);
}

int main(int argc, char **argv) {
  static char base[PATH_MAX];
  if (argc < 2 || chdir(argv[1]) < 0 || !getcwd(base, sizeof base)) return 1;
  place(base), file(), again();
  return 0;
}
