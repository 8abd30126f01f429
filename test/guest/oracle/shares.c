/* Processes that have descriptors, directories or handlers in common (clone(2)), and what they have no more after exec and unshare. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static char stack[65536];
static int gate[2];
static int (*job)(void);
static int runs(void *p) { int r = job(); fflush(stdout); return r; }
static void with(int flags, int (*run)(void)) {
  int status;
  job = run;
  fflush(stdout);
  pid_t pid = clone(runs, stack + sizeof stack, flags | SIGCHLD, 0);
  SAY(waitpid(pid, &status, 0) == pid); SAY(status);
}
static const char *place(void) { static char text[100]; return getcwd(text, 100) ? strcmp(text, "/") ? "elsewhere" : "/" : "nowhere"; }
static int there(int fd) { return fcntl(fd, F_GETFD); }
static void first(int s) {}
static void second(int s) {}
static const char *handler(void) { struct sigaction a; sigaction(SIGUSR1, 0, &a); return a.sa_handler == first ? "first" : a.sa_handler == second ? "second" : a.sa_handler == SIG_DFL ? "default" : "ignored"; }

static int files(void) {
  SAY(there(50)); SAY(dup2(0, 51)); SAY(close(50)); SAY(fcntl(52, F_SETFD, FD_CLOEXEC)); SAY(lseek(52, 7, SEEK_SET));
  return 1;
}
static int own(void) {
  SAY(unshare(CLONE_FILES)); SAY(close(51)); SAY(dup2(0, 60));
  return 2;
}
static int grandchild(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { close(51); _exit(there(51) == -1); }
  int status;
  waitpid(pid, &status, 0);
  SAY(WEXITSTATUS(status)); SAY(there(51));
  return 3;
}
static int ranges(void) { SAY(close_range(51, 51, CLOSE_RANGE_UNSHARE)); SAY(there(51)); return 4; }
static int directories(void) { SAY(chdir("/dev")); umask(055); return 5; }
static int ownDirectories(void) { SAY(unshare(CLONE_FS)); SAY(chdir("/")); umask(011); printf("child %s\n", place()); return 6; }
static int handlers(void) { printf("child %s\n", handler()); signal(SIGUSR1, second); signal(SIGUSR2, SIG_IGN); return 7; }
static int once(void) { struct sigaction a = { .sa_handler = first, .sa_flags = SA_RESETHAND }; sigaction(SIGUSR1, &a, 0); raise(SIGUSR1); return 8; }

static int apart(void) { SAY(unshare(CLONE_SIGHAND)); SAY(unshare(CLONE_VM)); SAY(unshare(CLONE_FILES | CLONE_FS)); return 10; }

static const char *self;
static int executes(void) { execl(self, self, self, "again", NULL); return 77; }

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOFBF, 65536);
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return unshare(0) != 0;
  if (argc > 2) { printf("executed %d %s\n", there(52), handler()); close(0); signal(SIGUSR1, SIG_IGN); return 9; }
  dup2(0, 50);
  SAY(dup2(open(argv[1], O_RDONLY), 52)); SAY(close(3));
  with(CLONE_FILES, files); SAY(there(50)); SAY(there(51)); SAY(there(52)); SAY(lseek(52, 0, SEEK_CUR));
  with(CLONE_FILES, own); SAY(there(51)); SAY(there(60));
  with(CLONE_FILES, grandchild); SAY(there(51));
  with(CLONE_FILES, ranges); SAY(there(51));
  with(0, own); SAY(there(51));
  with(CLONE_FS, directories); printf("parent %s %o\n", place(), umask(0));
  with(CLONE_FS, ownDirectories); printf("parent %s %o\n", place(), umask(0));
  with(0, directories); printf("parent %s %o\n", place(), umask(0));
  signal(SIGUSR1, first);
  with(CLONE_VM | CLONE_SIGHAND, handlers); printf("parent %s\n", handler()); SAY(kill(getpid(), SIGUSR2));
  with(CLONE_VM | CLONE_SIGHAND, once); printf("parent %s\n", handler());
  with(CLONE_VM | CLONE_SIGHAND, apart); with(CLONE_VM, apart); with(0, apart);
  signal(SIGUSR1, first);
  fcntl(52, F_SETFD, FD_CLOEXEC);
  self = argv[1];
  with(CLONE_FILES | CLONE_VM | CLONE_SIGHAND, executes);
  printf("parent %s %d %d\n", handler(), there(52), there(0));
  return 0;
}
