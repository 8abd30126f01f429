/* A program that acts for its owner does so no longer once somebody has changed what it is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "say.h"

static void lends(const char *what) {
  struct stat s;
  stat("f", &s);
  printf("%s: %o\n", what, s.st_mode);
  chmod("f", 06755);
}

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) < 0) return 1;
  umask(0);
  int fd = open("f", O_CREAT | O_RDWR, 06755), from = open("g", O_CREAT | O_RDWR, 0644);
  lends("made");
  SAY(write(fd, "abc", 3)), lends("written");
  SAY(write(fd, "abc", 0)), lends("written nothing");
  SAY(pwrite(fd, "abc", 3, 9)), lends("written somewhere");
  SAY(write(from, "abc", 3)), SAY(lseek(from, 0, SEEK_SET));
  SAY(sendfile(fd, from, 0, 3)), lends("sent");
  SAY(ftruncate(fd, 5)), lends("cut short");
  SAY(truncate("f", 4)), lends("cut short by name");
  SAY(fallocate(fd, 0, 0, 100)), lends("allocated");
  close(open("f", O_WRONLY | O_TRUNC)), lends("emptied");
  chmod("f", 06745), SAY(write(fd, "abc", 3)), lends("not the group's to execute");
  SAY(unlink("f")), SAY(unlink("g"));
  close(fd), close(from);
  return 0;
}
