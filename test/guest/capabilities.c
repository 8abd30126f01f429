/* What root is capable of, and what is left of it by set*uid(2), prctl(2) and exec (capabilities(7)). To be run as root. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>
#include "oracle/say.h"

static const char *program;
static unsigned long long pick(struct __user_cap_data_struct *s, int what) {
  unsigned *low = (unsigned *)&s[0], *high = (unsigned *)&s[1];
  return low[what] | (unsigned long long)high[what] << 32;
}
static void put(struct __user_cap_data_struct *s, int what, unsigned long long set) {
  ((unsigned *)&s[0])[what] = (unsigned)set; ((unsigned *)&s[1])[what] = (unsigned)(set >> 32);
}
static struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
enum { effective, permitted, inheritable };
/* Few enough to be told: those that this program uses. */
static const unsigned long long some = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_KILL | 1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_SETPCAP | 1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_SYS_CHROOT;
static unsigned long long has(int what) { struct __user_cap_data_struct s[2]; syscall(SYS_capget, &header, s); return pick(s, what) & some; }
static long set(unsigned long long e, unsigned long long p, unsigned long long i) {
  struct __user_cap_data_struct s[2];
  put(s, effective, e); put(s, permitted, p); put(s, inheritable, i);
  return syscall(SYS_capset, &header, s);
}
static void show(const char *when) { printf("%s: uid %d euid %d effective %llx permitted %llx inheritable %llx ambient %d\n", when, getuid(), geteuid(), has(effective), has(permitted), has(inheritable), prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0)); fflush(stdout); }
static void apart(const char *what, void (*run)(void)) {
  int status;
  printf("-- %s\n", what); fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { run(); fflush(stdout); _exit(0); }
  waitpid(pid, &status, 0);
  if (status) printf("status %x\n", status);
}
static void again(void) { fflush(stdout); execl(program, program, "after exec", NULL); perror("exec"); }

static void toUser(void) { SAY(setresuid(1000, 1000, 1000)); show("user"); SAY(setuid(0)); again(); }
static void andBack(void) { SAY(seteuid(1000)); show("seteuid"); SAY(seteuid(0)); show("back"); SAY(setfsuid(1000)); show("setfsuid"); SAY(setfsuid(0)); show("back"); }
static void keeping(void) {
  SAY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)); SAY(setresuid(1000, 1000, 1000)); show("kept");
  SAY(set(some, some, some)); show("effective again");
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)); show("ambient");
  SAY(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0)); again();
}
static void lowered(void) {
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)); SAY(set(some, some, 1 << CAP_KILL));
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)); SAY(set(0, some, 1 << CAP_KILL)); show("raised"); SAY(set(some, 1 << CAP_KILL, 0)); SAY(set(0, 0, 0)); show("lowered");
  SAY(set(1, 1, 0)); SAY(set(0, 0, 1 << CAP_KILL)); SAY(set(0, 0, 1 << CAP_CHOWN));
}
static void bounded(void) {
  SAY(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0)); SAY(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0)); SAY(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0));
  show("bounded"); again();
}
static void withoutRoot(void) {
  SAY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP, 0, 0, 0)); SAY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0));
  SAY(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)); SAY(setresuid(1000, 1000, 1000)); show("no fixup"); SAY(setuid(0)); again();
}
static void noNew(void) { SAY(set(0, 1 << CAP_KILL, 0)); SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); show("fewer"); again(); }
static void gains(void) { SAY(set(0, 1 << CAP_KILL, 0)); show("fewer"); again(); }

static const char *path = "/tmp/of-another";
static void files(void) {
  struct stat s;
  SAY(chown(path, 1000, 1000)); SAY(access(path, R_OK)); SAY(open(path, O_RDONLY) >= 0);
  SAY(set(some & ~(1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_CHOWN), some, 0));
  SAY(open(path, O_RDONLY)); SAY(access(path, R_OK)); SAY(chown(path, 0, 0)); SAY(chmod(path, 0644));
  SAY(set(1ull << CAP_FOWNER, some, 0)); SAY(chmod(path, 0400)); SAY(open(path, O_RDONLY)); SAY(chown(path, 0, 0));
  SAY(set(1ull << CAP_DAC_OVERRIDE, some, 0)); SAY(chmod(path, 0600)); SAY(open(path, O_WRONLY) >= 0); SAY(access(path, X_OK));
  SAY(set(1ull << CAP_CHOWN, some, 0)); SAY(chown(path, 1001, 0)); SAY(stat(path, &s)); SAY(s.st_uid); SAY(open(path, O_RDONLY));
}
static void others(void) {
  int gate[2]; char c;
  struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(81), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  pipe(gate);
  pid_t child = fork();
  if (child == 0) { setresuid(1000, 1000, 1000); write(gate[1], "x", 1); for (;;) pause(); }
  read(gate[0], &c, 1);
  SAY(set(0, some, 0)); SAY(kill(child, 0)); SAY(chroot("/")); SAY(setgroups(0, NULL)); SAY(setuid(1000)); SAY(setgid(1000)); SAY(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&port, sizeof port));
  SAY(set(1ull << CAP_KILL, some, 0)); SAY(kill(child, SIGKILL)); SAY(waitpid(child, NULL, 0) == child); SAY(chroot("/"));
  SAY(set(1ull << CAP_SYS_CHROOT, some, 0)); SAY(chroot("/")); SAY(setgid(1000));
  SAY(set(1ull << CAP_SETGID, some, 0)); SAY(setgid(1000)); SAY(setgroups(0, NULL)); SAY(setuid(1000));
  SAY(set(1ull << CAP_NET_BIND_SERVICE, some, 0)); SAY(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&port, sizeof port));
  SAY(set(1ull << CAP_SETUID, some, 0)); SAY(setuid(1000)); show("user");
}

static void secrets(void) {
  SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); SAY(setresuid(-1, 0, 1000)); SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  SAY(setfsuid(1000)); SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); SAY(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
  SAY(setegid(1000)); SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); SAY(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
  SAY(setreuid(0, 1000)); SAY(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

int main(int count, char **arguments) {
  program = arguments[0];
  if (count > 1) { show(arguments[1]); return 0; }
  close(open(path, O_CREAT | O_WRONLY, 0600));
  show("root");
  apart("to another user", toUser); apart("and back", andBack); apart("keeping them", keeping); apart("lowered", lowered);
  apart("bounded", bounded); apart("without root's ways", withoutRoot); apart("no new privileges", noNew); apart("gained by exec", gains);
  apart("files", files); apart("others", others);
  apart("secrets", secrets);
  unlink(path);
  return 0;
}
