/* What an ordinary user's program cannot get by looking into others, or into itself: files, shared code, lent rights. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void store(const char *what, const void *at, char byte) {
  int own = open("/proc/self/mem", O_RDWR);
  long n = pwrite(own, &byte, 1, (long)at);
  printf("%s: %s\n", what, n == 1 ? "stored" : strerrorname_np(errno));
  close(own);
}
/* Root's file, which may be read and shown, but not written. */
static void file(void) {
  int fd = open("/bin/program", O_RDONLY);
  char *shown = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), *own = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), now[4];
  store("fresh", shown + 1, 'X');
  printf("%.3s\n", shown + 1);
  store("touched", shown + 1, 'X');
  store("private", own + 1, 'X');
  pread(fd, now, 4, 0);
  printf("%.3s %.3s %.3s\n", shown + 1, own + 1, now + 1);
}
static const char *vdso(void) {
  static char line[256];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps) && !strstr(line, "[vdso]")) continue;
  fclose(maps);
  return (const char *)strtoul(line, NULL, 16);
}
/* The page of code that all programs have. */
static void code(void) {
  const volatile char *shared = vdso();
  char before = *shared;
  fflush(stdout);
  if (fork() == 0) {
    madvise((void *)shared, 4096, MADV_DONTNEED);
    store("code", (const void *)shared, before ^ 1);
    printf("own %d\n", *shared == (before ^ 1));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  printf("others' %d\n", *shared == before);
}
/* A program that acts for its owner, root: not for who traces it. */
static void lent(int traced) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    if (traced) ptrace(PTRACE_TRACEME, 0, 0, 0);
    execl("/bin/lent", "lent", "whose", NULL);
    _exit(99);
  }
  int s = 0;
  while (waitpid(pid, &s, 0) == pid && WIFSTOPPED(s)) ptrace(PTRACE_CONT, pid, 0, 0);
  printf("%s: %s\n", traced ? "traced" : "alone", WEXITSTATUS(s) == 10 ? "root" : WEXITSTATUS(s) == 11 ? "user" : "?");
}
int main(int argc, char **argv) {
  if (argc > 1) return geteuid() == 0 ? 10 : 11;
  file(); code(); lent(0); lent(1);
  return 0;
}
