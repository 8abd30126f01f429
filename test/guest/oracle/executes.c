/* Another program in the same process: arguments, what stays and what goes, scripts, and what is refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define show(x) do { errno = 0; long r_ = (long)(x); printf("%s = %ld%s%s\n", #x, r_, r_ < 0 ? " " : "", r_ < 0 ? strerrorname_np(errno) : ""); } while (0)
static const char *self;
static char directory[] = "/tmp/execXXXXXX";

static void ended(const char *who, pid_t pid) {
  int status;
  if (waitpid(pid, &status, 0) != pid) printf("%s: lost\n", who);
  else if (WIFEXITED(status)) printf("%s: exited %d\n", who, WEXITSTATUS(status));
  else printf("%s: signal %d\n", who, WTERMSIG(status));
}

/* What the new program says of itself. */
static int child(int argc, char **argv) {
  if (!strcmp(argv[1], "arguments")) {
    printf("%d:", argc);
    for (int i = 1; i < argc; i++) printf(" [%s]", argv[i]);
    for (char **e = environ; *e; e++) printf(" {%s}", *e);
    printf(" secure %ld uid %d\n", getauxval(AT_SECURE), getauxval(AT_UID) == getuid());
    return argc;
  }
  if (!strcmp(argv[1], "signals")) {
    struct sigaction a;
    sigset_t mask, pending;
    sigprocmask(SIG_BLOCK, 0, &mask);
    sigpending(&pending);
    stack_t ss;
    sigaltstack(0, &ss);
    sigaction(SIGUSR1, 0, &a); printf("handler %d", a.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, 0, &a); printf(" ignored %d", a.sa_handler == SIG_IGN);
    printf(" masked %d pending %d stack %d\n", sigismember(&mask, SIGTERM), sigismember(&pending, SIGTERM), ss.ss_flags);
    return 0;
  }
  if (!strcmp(argv[1], "files")) {
    int kept = atoi(argv[2]), closed = atoi(argv[3]);
    char c = 0;
    long got = read(kept, &c, 1);
    printf("kept %ld '%c'", got, c);
    printf(" closed %d\n", fcntl(closed, F_GETFD) < 0);
    return 0;
  }
  if (!strcmp(argv[1], "ids")) { printf("pid kept %d, one thread %d\n", getpid() == atoi(argv[2]), getpid() == gettid()); return 3; }
  return 99;
}

static pid_t run(char **argv, char **envp) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { execve(self, argv, envp); printf("%s\n", strerrorname_np(errno)); fflush(stdout); _exit(77); }
  return pid;
}

static void arguments(void) {
  ended("plain", run((char *[]){ "me", "arguments", "two words", "", "\xff\xfe", 0 }, (char *[]){ "A=1", "B=", 0 }));
  ended("no environment", run((char *[]){ "me", "arguments", 0 }, 0));
  char *big = malloc(100001);
  memset(big, 'x', 100000); big[100000] = 0;
  ended("long", run((char *[]){ "me", "none", big, big, 0 }, 0));
  char *huge = malloc(140001);
  memset(huge, 'x', 140000); huge[140000] = 0;
  ended("too long", run((char *[]){ "me", "none", huge, 0 }, 0));
  char **many = malloc(40 * sizeof *many);
  for (int i = 0; i < 39; i++) many[i] = big;
  many[0] = "me"; many[39] = 0;
  ended("too many", run(many, 0));
}

static void handled(int s) { (void)s; }
static void inherits(const char *file) {
  static char stack[16384];
  sigset_t m;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGUSR1, handled); signal(SIGUSR2, SIG_IGN);
    sigemptyset(&m); sigaddset(&m, SIGTERM); sigprocmask(SIG_BLOCK, &m, 0);
    raise(SIGTERM);
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&ss, 0);
    execl(self, "me", "signals", (char *)0);
  }
  ended("signals", pid);
  if ((pid = fork()) == 0) {
    char a[16], b[16], c;
    int kept = open(file, O_RDONLY), closed = open(file, O_RDONLY | O_CLOEXEC);
    read(kept, &c, 1);
    sprintf(a, "%d", kept); sprintf(b, "%d", closed);
    execl(self, "me", "files", a, b, (char *)0);
  }
  ended("files", pid);
}

static void *idles(void *p) { for (;;) pause(); return p; }
static void *replaces(void *p) { char n[16]; sprintf(n, "%d", getpid()); execl(self, "me", "ids", n, (char *)0); return p; }
static void threads(void) {
  pthread_t t;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { pthread_create(&t, 0, idles, 0); pthread_create(&t, 0, idles, 0); replaces(0); }
  ended("from the first", pid);
  if ((pid = fork()) == 0) { pthread_create(&t, 0, idles, 0); pthread_create(&t, 0, replaces, 0); for (;;) pause(); }
  ended("from another", pid);
}

static const char *in(const char *name) { static char path[4][128]; static int n; char *p = path[n++ & 3]; sprintf(p, "%s/%s", directory, name); return p; }
static void put(const char *name, const char *text, int mode) {
  int fd = open(in(name), O_CREAT | O_TRUNC | O_WRONLY, 0700);
  write(fd, text, strlen(text)); fchmod(fd, mode); close(fd);
}
static void script(const char *name, const char *line) {
  char text[600];
  sprintf(text, "#!%s", line);
  put(name, text, 0755);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { chdir(directory); execle(in(name), "zero", "one", "two", (char *)0, (char *[]){ "S=1", 0 }); printf("%s: %s\n", name, strerrorname_np(errno)); fflush(stdout); _exit(1); }
  ended(name, pid);
}

static void scripts(void) {
  char line[600], pad[400];
  mkdtemp(directory);
  symlink(self, in("prog"));
  sprintf(line, "%s/prog arguments\nrest", "."); script("relative", line);
  sprintf(line, " \t ./prog   arguments and more  \n"); script("spaces", line);
  script("absent", "/no/such/interpreter x\n");
  script("empty", "   \n");
  script("nothing", "");
  sprintf(line, "./s2 arguments\n"); put("s2", "#!./prog arguments\n", 0755); script("nested", line);
  script("loop", "./loop\n");
  memset(pad, 'y', 300); pad[300] = 0;
  sprintf(line, "./%s\n", pad); script("long", line);
  sprintf(line, "./prog %s\n", pad); pad[0] = 'a';
  put("plain", "just text\n", 0755);
  show(execl(in("plain"), "x", (char *)0));
  put("noexec", "#!./prog\n", 0644);
  show(execl(in("noexec"), "x", (char *)0));
  show(execl(directory, "x", (char *)0));
  show(execl(in("nowhere"), "x", (char *)0));
  show(execl(in("plain/x"), "x", (char *)0));
  show(execl("", "x", (char *)0));
  put("cut", "\x7f" "ELF\2\1\1", 0755);
  show(execl(in("cut"), "x", (char *)0));
  show(execve(self, (char **)8, 0));
  show(execve(self, (char *[]){ (char *)8, 0 }, 0));
  show(execve((char *)8, (char *[]){ 0 }, 0));
}

static void byDescriptor(void) {
  int fd = open(self, O_RDONLY | O_CLOEXEC), dir = open(directory, O_RDONLY | O_DIRECTORY);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { syscall(SYS_execveat, fd, "", (char *[]){ "me", "arguments", "by fd", 0 }, (char *[]){ 0 }, AT_EMPTY_PATH); _exit(1); }
  ended("fd", pid);
  if ((pid = fork()) == 0) { syscall(SYS_execveat, dir, "prog", (char *[]){ "me", "arguments", "at", 0 }, (char *[]){ 0 }, 0); _exit(1); }
  ended("at", pid);
  show(syscall(SYS_execveat, dir, "prog", (char *[]){ "me", 0 }, 0, AT_SYMLINK_NOFOLLOW));
  show(syscall(SYS_execveat, 99, "prog", (char *[]){ "me", 0 }, 0, 0));
  show(syscall(SYS_execveat, fd, "", (char *[]){ "me", 0 }, 0, 0));
  show(syscall(SYS_execveat, fd, "", (char *[]){ "me", 0 }, 0, 1));
  close(fd); close(dir);
}

static void spawned(void) {
  pid_t pid;
  fflush(stdout);
  printf("spawn %d\n", posix_spawn(&pid, self, 0, 0, (char *[]){ "me", "arguments", "spawned", 0 }, (char *[]){ "E=2", 0 }));
  ended("spawned", pid);
  printf("spawn nothing %s\n", strerrorname_np(posix_spawn(&pid, "/no/such", 0, 0, (char *[]){ "me", 0 }, 0)));
  fflush(stdout);
  if ((pid = vfork()) == 0) { execl(self, "me", "arguments", "vforked", (char *)0); _exit(1); }
  ended("vforked", pid);
  int status = system("exit 3");
  (void)status;
}

int main(int argc, char **argv, char **envp) {
  setvbuf(stdout, 0, _IOFBF, 0);
  if (argc > 1 && !strcmp(argv[0], "me")) return child(argc, argv);
  /* By a script: the interpreter's name comes first, its argument next. */
  if (argc > 1 && strstr(argv[0], "prog")) {
    printf("%d:", argc);
    for (int i = 0; i < argc; i++) { const char *s = strstr(argv[i], "/exec"); printf(" [%s]", s ? s + 12 : argv[i]); }
    for (; *envp; envp++) printf(" {%s}", *envp);
    printf("\n");
    return argc;
  }
  self = argv[2];
  arguments(); inherits(argv[1]); threads(); scripts(); byDescriptor(); spawned();
  return 0;
}
