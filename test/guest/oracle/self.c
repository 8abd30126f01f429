/* What /proc says of a process, of its threads, and of one that has ended and was not waited for. */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static char text[1 << 16];
static long slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  long n = 0, m;
  if (fd < 0) return -1;
  while ((m = read(fd, text + n, sizeof text - 1 - n)) > 0) n += m;
  close(fd);
  text[n] = 0;
  return m < 0 ? -1 : n;
}
/* The line of a file that begins with a word. */
static const char *line(const char *path, const char *word) {
  if (slurp(path) < 0) return strerrorname_np(errno);
  for (char *l = strtok(text, "\n"); l; l = strtok(0, "\n")) if (!strncmp(l, word, strlen(word))) return l;
  return "none";
}
static void rows(const char *path, const char **words) { for (; *words; words++) printf("%s\n", line(path, *words)); }
/* A number of stat, counted from 1 as proc(5) does; those behind the name. */
static long number(const char *path, int at) {
  if (slurp(path) < 0) return -99;
  char *p = strrchr(text, ')') + 2;
  for (int i = 3; i < at; i++) p = strchr(p, ' ') + 1;
  return at == 3 ? *p : atol(p);
}
static int numbers(const char *path) { if (slurp(path) < 0) return -1; int n = 1; for (char *p = strrchr(text, ')'); *p; p++) n += *p == ' '; return n + 1; }
static int entries(const char *path) {
  DIR *d = opendir(path);
  int n = 0;
  if (!d) return -1;
  while (readdir(d)) n++;
  closedir(d);
  return n - 2;
}
static void nothing(int s) {}
static int gate[2];
static void *waits(void *p) {
  char path[64], c;
  sigset_t set;
  sigemptyset(&set); sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, 0);
  snprintf(path, 64, "/proc/self/task/%ld/status", syscall(SYS_gettid));
  printf("%s\n", line(path, "SigBlk"));
  snprintf(path, 64, "/proc/self/task/%ld/stat", syscall(SYS_gettid));
  printf("%c %d\n", (char)number(path, 3), (int)number(path, 20));
  fflush(stdout);
  read(gate[0], &c, 1);
  return 0;
}
/* Each thread has a name, which its process's threads may change; who is made has its maker's. */
static long named(const char *name, const char *file) {
  int fd = open(file, O_WRONLY);
  long n = fd < 0 ? -1 : write(fd, name, strlen(name));
  if (fd >= 0) { int e = errno; close(fd); errno = e; }
  return n;
}
static void *inner(void *p) {
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  printf("%s, slack %d\n", name, prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
  return p;
}
static int ready[2];
static void *outer(void *p) {
  pthread_t t;
  char c;
  *(long *)p = syscall(SYS_gettid);
  SAY(prctl(PR_SET_NAME, "outer")); SAY(prctl(PR_SET_TIMERSLACK, 777, 0, 0, 0));
  pthread_create(&t, 0, inner, 0); pthread_join(t, 0);
  pid_t child = fork();
  if (child == 0) {
    char path[64];
    inner(0); SAY(slurp("/proc/self/comm")); printf("%s", text);
    snprintf(path, 64, "/proc/%d/comm", getppid());
    SAY(named("other", path)); SAY(named("own\nname", "/proc/self/comm")); SAY(slurp("/proc/self/comm")); printf("%s", text);
    SAY(prctl(PR_SET_TIMERSLACK, 5, 0, 0, 0)); SAY(prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0)); inner(0);
    fflush(stdout); _exit(0);
  }
  waitpid(child, 0, 0);
  write(ready[1], "x", 1), read(gate[0], &c, 1);
  inner(0);
  return 0;
}
static void names(void) {
  char path[64], name[16], c;
  long id = 0;
  pthread_t t;
  fflush(stdout); pipe(gate), pipe(ready), pthread_create(&t, 0, outer, &id), read(ready[0], &c, 1);
  inner(0);
  SAY(pthread_getname_np(t, name, sizeof name)); printf("%s\n", name);
  snprintf(path, 64, "/proc/self/task/%ld/comm", id);
  SAY(slurp(path)); printf("%s", text); SAY(pthread_setname_np(t, "chosen")); SAY(slurp(path)); printf("%s", text);
  SAY(named("much more than fifteen", path)); SAY(slurp(path)); printf("%s", text); SAY(named("", path));
  snprintf(path, 64, "/proc/self/task/%ld/status", id); printf("%s\n", line(path, "Name"));
  snprintf(path, 64, "/proc/self/task/%ld/stat", id); slurp(path); *(strchr(text, ')') + 1) = 0; printf("%s\n", strchr(text, '('));
  printf("%s\n", line("/proc/self/status", "Name"));
  write(gate[1], "x", 1), pthread_join(t, 0);
  SAY(slurp("/proc/self/comm")); printf("%s", text);
  close(gate[0]), close(gate[1]), close(ready[0]), close(ready[1]);
}
int main(void) {
  char path[64];
  setvbuf(stdout, 0, _IOFBF, 65536);
  signal(SIGUSR1, nothing); signal(SIGRTMIN + 3, nothing); signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set); sigaddset(&set, SIGTERM); sigaddset(&set, SIGRTMAX);
  sigprocmask(SIG_BLOCK, &set, 0);
  kill(getpid(), SIGTERM); syscall(SYS_tgkill, getpid(), getpid(), SIGRTMAX);
  umask(027);
  rows("/proc/self/status", (const char *[]){ "Umask", "State", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", 0 });
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); prctl(PR_SET_NAME, "a name of more than fifteen");
  rows("/proc/self/status", (const char *[]){ "Name", "NoNewPrivs", 0 });
  SAY(slurp("/proc/self/environ")); printf("%s\n", text);
  SAY(slurp("/proc/self/comm")); printf("%s", text);
  names();
  struct rlimit r = { 10, 4096 };
  setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 20, 30 }); setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 20, 1 << 21 }); setrlimit(RLIMIT_CPU, &(struct rlimit){ 100, 200 });
  rows("/proc/self/limits", (const char *[]){ "Limit", "Max open", "Max file size", "Max cpu", 0 });
  SAY(numbers("/proc/self/stat"));
  SAY(number("/proc/self/stat", 4) == getppid()); SAY(number("/proc/self/stat", 5) == getpgrp()); SAY(number("/proc/self/stat", 6) == getsid(0));
  SAY(number("/proc/self/stat", 18)); SAY(number("/proc/self/stat", 19)); SAY(number("/proc/self/stat", 20));
  SAY(number("/proc/self/stat", 31)); SAY(number("/proc/self/stat", 32)); SAY(number("/proc/self/stat", 38));
  SAY(number("/proc/self/stat", 26) <= (long)main && (long)main < number("/proc/self/stat", 27));
  SAY(number("/proc/self/stat", 48) < number("/proc/self/stat", 49)); SAY(number("/proc/self/stat", 51) > number("/proc/self/stat", 50));
  SAY(slurp("/proc/self/auxv") % 16);
  for (Elf64_auxv_t *a = (void *)text; a->a_type; a++) if (a->a_type == AT_ENTRY || a->a_type == AT_RANDOM || a->a_type == AT_PAGESZ) SAY(a->a_un.a_val == getauxval(a->a_type));
  SAY(slurp("/proc/self/oom_score_adj")); printf("%s", text);
  char *p = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(p, 1, 40960); mlock(p, 8192);
  rows("/proc/self/status", (const char *[]){ "VmLck", "VmSwap", 0 });
  char start[32];
  snprintf(start, 32, "%lx-", (long)p);
  slurp("/proc/self/smaps");
  SAY(strstr(text, "Locked:                8 kB") != 0);
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  lseek(fd, 5, SEEK_SET);
  snprintf(path, 64, "/proc/self/fdinfo/%d", fd);
  rows(path, (const char *[]){ "pos", 0 });
  SAY(slurp("/proc/self/fdinfo/19"));
  SAY(entries("/proc/self/fd") - entries("/proc/self/fdinfo"));
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) _exit(9);
  siginfo_t info;
  SAY(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  snprintf(path, 64, "/proc/%d/stat", pid);
  printf("%c %d\n", (char)number(path, 3), number(path, 4) == getpid()); SAY(numbers(path)); SAY(number(path, 23)); SAY(number(path, 52));
  snprintf(path, 64, "/proc/%d/status", pid);
  rows(path, (const char *[]){ "Name", "State", "Threads", "VmSize", 0 });
  snprintf(path, 64, "/proc/%d/cmdline", pid); SAY(slurp(path));
  snprintf(path, 64, "/proc/%d/maps", pid); SAY(slurp(path));
  snprintf(path, 64, "/proc/%d/exe", pid); SAY(readlink(path, text, 9));
  snprintf(path, 64, "/proc/self/task/%d/children", getpid()); SAY(slurp(path) > 0 && atoi(text) == pid);
  waitpid(pid, 0, 0);
  SAY(slurp(path));
  snprintf(path, 64, "/proc/%d/status", pid); SAY(slurp(path));
  pipe(gate);
  pthread_t t;
  pthread_create(&t, 0, waits, 0);
  write(gate[1], "x", 1);
  pthread_join(t, 0);
  /* A thread is joined when it has no more to do, and gone a little later. */
  while (entries("/proc/self/task") > 1) usleep(1000);
  SAY(entries("/proc/self/task"));
  return 0;
}
