/* Who may look into a process through /proc: its own user, as long as the process lets others look (PR_SET_DUMPABLE). */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static const char *const names[] = {
    "",   "auxv", "cmdline", "comm", "cwd",  "environ", "exe",  "fd",    "fd/0",   "fdinfo",  "fdinfo/0",
    "maps", "mem",  "ns",      "ns/uts", "root", "smaps", "stat", "status", "task", "limits", "mounts"};

static const char *owner(const struct stat *s) { return s->st_uid == geteuid() ? "its user" : s->st_uid == 0 ? "root" : "another"; }

static void look(const char *of) {
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char path[128], text[512];
    struct stat info = {0};
    snprintf(path, sizeof path, "/proc/%s/%s", of, names[i]);
    printf("%s:", names[i]);
    if (lstat(path, &info) == 0) printf(" %s's", owner(&info));
    else printf(" lstat %s", strerrorname_np(errno));
    if (S_ISLNK(info.st_mode)) printf(" readlink %s", readlink(path, text, sizeof text) < 0 ? strerrorname_np(errno) : "ok");
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    printf(" open %s", fd < 0 ? strerrorname_np(errno) : "ok");
    if (fd >= 0 && S_ISREG(info.st_mode)) printf(" read %s", read(fd, text, sizeof text) < 0 ? strerrorname_np(errno) : "ok");
    if (fd >= 0) close(fd);
    DIR *list = S_ISDIR(info.st_mode) ? opendir(path) : 0;
    if (list) { printf(" list %s", readdir(list) ? "ok" : "nothing"); closedir(list); }
    printf(" access %s\n", access(path, R_OK) < 0 ? strerrorname_np(errno) : "ok");
  }
  fflush(stdout);
}

/* Files that were opened while that was allowed. */
static int maps, memory;
static char word[8] = "before";
static void again(const char *when) {
  char text[8] = "";
  printf("%s: maps %s, ", when, pread(maps, text, 1, 0) == 1 ? "has lines" : "is empty");
  ssize_t count = pread(memory, text, sizeof text, (off_t)(long)word);
  printf("mem %zd %s\n", count, count > 0 ? text : "");
  fflush(stdout);
}

static void waitFor(int pipe) { char byte; if (read(pipe, &byte, 1) != 1) exit(3); }
static void tell(int pipe) { if (write(pipe, "", 1) != 1) exit(4); }

/* What may be executed and not read is not to be read when it is executed. */
static void unreadable(const char *from, const char *folder) {
  char path[256], piece[4096];
  snprintf(path, sizeof path, "%s/secret", folder);
  int in = open(from, O_RDONLY), out = open(path, O_WRONLY | O_CREAT, 0700);
  for (ssize_t count; (count = read(in, piece, sizeof piece)) > 0;) if (write(out, piece, count) != count) exit(6);
  close(in); close(out);
  for (int mode = 0700; mode >= 0300; mode -= 0400) {
    SAY(chmod(path, mode));
    if (fork() == 0) { execl(path, path, "dumpable", NULL); _exit(7); }
    SAY(wait(0) > 0);
  }
  unlink(path);
}

int main(int count, char **arguments) {
  if (!strcmp(arguments[1], "dumpable")) { SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); return 0; }
  if (!strcmp(arguments[2], "executed")) { /* Executed: says that it is, and waits for its end. */
    tell(atoi(arguments[1]));
    pause();
  }
  dup2(open(arguments[1], O_RDONLY), 0);
  int up[2], down[2];
  if (pipe(up) || pipe(down)) return 2;
  int child = fork();
  if (child == 0) {
    char number[16];
    tell(up[1]); waitFor(down[0]);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); strcpy(word, "after");
    tell(up[1]); waitFor(down[0]);
    snprintf(number, sizeof number, "%d", up[1]);
    execl("/proc/self/exe", "look", number, "executed", NULL);
    execl(arguments[1], "look", number, "executed", NULL);
    _exit(5);
  }
  char id[16], path[64];
  snprintf(id, sizeof id, "%d", child);
  waitFor(up[0]);
  puts("-- a child"); look(id);
  snprintf(path, sizeof path, "/proc/%d/maps", child); maps = open(path, O_RDONLY);
  snprintf(path, sizeof path, "/proc/%d/mem", child); memory = open(path, O_RDONLY);
  again("opened"); tell(down[1]); waitFor(up[0]);
  puts("-- that lets nobody look"); look(id); again("closed to others"); tell(down[1]); waitFor(up[0]);
  puts("-- that executes"); look(id); again("executed");
  SAY(kill(child, SIGKILL)); SAY(waitpid(child, 0, 0) == child); again("ended");
  unreadable(arguments[1], arguments[2]);
  puts("-- itself");
  SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); SAY(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0)); SAY(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  look("self");
  SAY(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); SAY(setfsuid(geteuid()) == (int)geteuid()); SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  return 0;
}
