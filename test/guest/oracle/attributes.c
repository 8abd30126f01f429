/* Extended attributes, as Linux's tmpfs has them since 6.6. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char value[65536 * 2];
static const char *result(long n) {
  static char text[4][32];
  static int next;
  char *into = text[next++ & 3];
  if (n < 0) snprintf(into, 32, "-1 %s", strerrorname_np(errno));
  else snprintf(into, 32, "%ld", n);
  return into;
}

/* Not every kernel's tmpfs has them. */
static int isForbidden(void) {
  int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
  return fsetxattr(fd, "user.a", "x", 1, 0) != 0;
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return isForbidden();
  chdir(argv[1]);
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  printf("none %s", result(listxattr("f", value, 100)));
  printf(", get %s", result(getxattr("f", "user.a", value, 100)));
  printf(", replace %s", result(setxattr("f", "user.a", "x", 1, XATTR_REPLACE)));
  printf(", set %s", result(setxattr("f", "user.a", "value", 5, 0)));
  printf(", create %s\n", result(setxattr("f", "user.a", "x", 1, XATTR_CREATE)));
  fsetxattr(fd, "user.second", "", 0, XATTR_CREATE);
  printf("length %s", result(getxattr("f", "user.a", NULL, 0)));
  printf(", short %s", result(getxattr("f", "user.a", value, 3)));
  printf(", got %s", result(fgetxattr(fd, "user.a", value, 100)));
  printf(" %.5s, empty %s\n", value, result(getxattr("f", "user.second", value, 100)));
  int known = 0;
  long n = flistxattr(fd, value, 100);
  printf("list %s:", result(n));
  /* In which order is nobody's business. */
  for (char *at = value; at < value + n; at += strlen(at) + 1) known += !strcmp(at, "user.a") + 2 * !strcmp(at, "user.second");
  printf(" %d", known);
  printf(", short %s\n", result(listxattr("f", value, 3)));
  link("f", "g");
  rename("f", "h");
  printf("by another name %s", result(getxattr("g", "user.a", value, 100)));
  printf(", remove %s", result(removexattr("h", "user.a")));
  printf(", again %s\n", result(fremovexattr(fd, "user.a")));
  symlink("h", "link");
  printf("link %s", result(lsetxattr("link", "user.a", "x", 1, 0)));
  printf(" %s", result(lgetxattr("link", "user.a", value, 1)));
  printf(", trusted %s", result(setxattr("h", "trusted.a", "x", 1, 0)));
  printf(", security %s", result(setxattr("h", "security.a", "x", 1, 0)));
  printf(", other %s", result(setxattr("h", "other.a", "x", 1, 0)));
  printf(", none %s", result(setxattr("h", "", "x", 1, 0)));
  printf(", nothing but a prefix %s", result(setxattr("h", "user.", "x", 1, 0)));
  printf(" %s", result(getxattr("h", "user.", value, 1)));
  printf(" %s", result(removexattr("h", "user.")));
  printf(" %s", result(setxattr("/proc/version", "user.", "x", 1, 0)));
  printf(", large %s\n", result(setxattr("h", "user.b", value, sizeof value, 0)));
  chmod("h", 0444);
  printf("read-only %s", result(setxattr("h", "user.c", "x", 1, 0)));
  printf(", proc %s", result(setxattr("/proc/version", "user.a", "x", 1, 0)));
  printf(", missing %s", result(getxattr("nothing", "user.a", value, 1)));
  printf(", bad file %s\n", result(fgetxattr(99, "user.a", value, 1)));
  lremovexattr("link", "user.a");
  printf("links %s", result(llistxattr("link", value, 100)));
  printf(" %s", result(lremovexattr("link", "user.a")));
  printf(", of a file %s", result(lsetxattr("g", "user.c", "x", 1, 0)));
  chmod("g", 0644);
  printf(" %s", result(lsetxattr("g", "user.c", "x", 1, 0)));
  printf(" %s", result(lgetxattr("g", "user.c", value, 100)));
  printf(" %s", result(lremovexattr("g", "user.c")));
  printf(" %s\n", result(fremovexattr(fd, "user.second")));
  unlink("g"), unlink("h"), unlink("link"), close(fd);
  return 0;
}
