/* Ends of name spaces while something of them is left: an init that leads a session with a child in it, and mounts of an
 * unprivileged mount name space whose place goes. As the first program, in a directory of tmpfs that it is given. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int ended(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

static void init_with_session(void) {
  pid_t pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    setsid();
    if (fork() == 0)
      for (;;) pause();
    _exit(3);
  }
  printf("init %d\n", WEXITSTATUS(ended(pid)));
}

static void mounts_over_one_place(const char *room) {
  int ready[2], done[2];
  char c;
  pipe(ready), pipe(done);
  chdir(room);
  mkdir("d", 0755);
  printf("mounts %d", mount(room, "d", 0, MS_BIND, 0));
  printf(" %d\n", mount("none", "d/d", "tmpfs", 0, 0));
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    c = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 'x' : 'e';
    write(ready[1], &c, 1);
    read(done[0], &c, 1);
    _exit(c == 'x' ? 4 : 5);
  }
  read(ready[0], &c, 1);
  printf("space %c umount %d", c, umount("d/d"));
  printf(" %d", umount("d"));
  printf(" rmdir %d\n", rmdir("d"));
  write(done[1], &c, 1);
  printf("child %d\n", WEXITSTATUS(ended(pid)));
}

int main(int argc, char **argv) {
  init_with_session();
  mounts_over_one_place(argv[1]);
  return argc - 2;
}
