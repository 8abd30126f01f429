/* A file is a program that runs, or it is open for writing: never both. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static int hold[2], begun[2];
extern char **environ;

/* What a copy of this program does that is to run for a while: says that it does, and stays until it is told. */
static int stays(void) { char c = 'x'; write(begun[1], &c, 1); return read(hold[0], &c, 1) == 0 ? 5 : 6; }
static void copy(const char *from, const char *to) {
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  static char bytes[65536];
  for (long n; (n = read(in, bytes, sizeof bytes)) > 0;) if (write(out, bytes, n) != n) exit(3);
  close(in); close(out);
}
static int ended(pid_t pid) { int status; waitpid(pid, &status, 0); return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
static void argumentsOf(char *one, char *two) { sprintf(one, "%d", hold[0]); sprintf(two, "%d", begun[1]); }
/* Runs it, and comes back when it does. */
static pid_t start(const char *path) {
  char one[16], two[16], c;
  pipe(hold); pipe(begun); argumentsOf(one, two);
  pid_t pid = fork();
  if (pid == 0) { close(hold[1]); execl(path, path, "stays", one, two, (char *)0); printf("%s\n", strerrorname_np(errno)); fflush(stdout); _exit(9); }
  close(begun[1]);
  if (read(begun[0], &c, 1) != 1) puts("it did not begin");
  close(begun[0]); close(hold[0]);
  return pid;
}
static int finish(pid_t pid) { close(hold[1]); return ended(pid); }
static int executed(const char *path, int fd) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    char *arguments[] = { "me", "nothing", 0 };
    if (fd >= 0) syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH);
    else execv(path, arguments);
    _exit(100 + errno);
  }
  return ended(pid);
}
static int opened(const char *path, int flags) { int fd = open(path, flags, 0755); if (fd < 0) return -1; close(fd); return 0; }

static void written(void) {
  int fd = open("program", O_WRONLY), other;
  SAY(executed("program", -1)); other = dup(fd); close(fd); SAY(executed("program", -1)); close(other); SAY(executed("program", -1));
  fd = open("program", O_RDWR); SAY(executed("program", -1)); close(fd);
  fd = open("program", O_RDONLY); SAY(executed("program", -1)); SAY(executed("", fd)); close(fd);
  fd = open("program", O_PATH | O_RDWR); SAY(executed("", fd)); close(fd);
  fd = open("script", O_WRONLY | O_CREAT | O_TRUNC, 0755); write(fd, "#!./program nothing\n", 20); SAY(executed("script", -1)); close(fd); SAY(executed("script", -1));
  fd = open("program", O_WRONLY | O_APPEND); SAY(executed("script", -1)); close(fd);
}
static void running(void) {
  pid_t pid = start("./program");
  SAY(opened("program", O_WRONLY)); SAY(opened("program", O_RDWR)); SAY(opened("program", O_RDONLY)); SAY(opened("program", O_PATH | O_WRONLY));
  SAY(opened("program", O_RDONLY | O_TRUNC)); SAY(opened("program", O_WRONLY | O_CREAT)); SAY(opened("program", O_WRONLY | O_CREAT | O_EXCL));
  SAY(truncate("program", 0)); SAY(truncate("program", 1L << 62)); SAY(truncate("program", -1)); SAY(chmod("program", 0700));
  SAY(link("program", "again")); SAY(opened("again", O_WRONLY)); SAY(unlink("again"));
  char path[64]; sprintf(path, "/proc/%d/exe", pid);
  SAY(opened(path, O_WRONLY)); SAY(opened(path, O_RDONLY));
  SAY(rename("program", "moved")); SAY(opened("moved", O_WRONLY)); SAY(opened("program", O_WRONLY | O_CREAT)); SAY(rename("moved", "program"));
  SAY(finish(pid)); SAY(opened("program", O_WRONLY));
}
/* A fork runs the same file, and what replaces it another one. */
static void forked(void) {
  pid_t pid = start("./program");
  SAY(opened("program", O_WRONLY)); SAY(finish(pid)); SAY(opened("program", O_WRONLY));
  SAY(unlink("moved")); copy("program", "moved");
  pid = start("./moved"); SAY(opened("moved", O_WRONLY)); SAY(opened("program", O_WRONLY));
  SAY(unlink("moved")); SAY(opened("moved", O_WRONLY | O_CREAT)); SAY(finish(pid)); SAY(unlink("moved"));
}
static int childSees(const char *self) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) _exit(opened(self, O_WRONLY) < 0 ? errno : 0);
  return ended(pid);
}
/* The descriptor that memfd_create gives is no writer; one by its name is. */
static void nameless(void) {
  char path[64];
  int in = open("program", O_RDONLY), fd = memfd_create("program", 0);
  static char bytes[65536];
  for (long n; (n = read(in, bytes, sizeof bytes)) > 0;) write(fd, bytes, n);
  sprintf(path, "/proc/self/fd/%d", fd);
  SAY(executed("", fd));
  int again = open(path, O_RDWR); SAY(again > 0); SAY(executed("", fd)); close(again); SAY(executed("", fd));
  pid_t pid = start(path);
  SAY(opened(path, O_RDWR)); SAY(write(fd, "x", 1)); SAY(ftruncate(fd, 100000000)); SAY(opened(path, O_RDONLY)); SAY(finish(pid)); SAY(opened(path, O_RDWR));
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "nothing")) return 7;
  if (argc > 1 && !strcmp(argv[1], "stays")) { hold[0] = atoi(argv[2]); begun[1] = atoi(argv[3]); return stays(); }
  if (chdir(argv[1])) return 1;
  setvbuf(stdout, 0, _IOLBF, 0);
  copy("/proc/self/exe", "program");
  SAY(opened("/proc/self/exe", O_WRONLY)); SAY(childSees("/proc/self/exe"));
  written(); running(); forked(); nameless();
  SAY(unlink("program")); SAY(unlink("script"));
  return 0;
}
