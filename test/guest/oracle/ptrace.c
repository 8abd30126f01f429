/* Tracing: stops at signals, calls, forks, execs and ends; memory and registers of who is traced. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

struct callinfo { unsigned char op, pad[3]; unsigned arch; unsigned long ip, sp; union { struct { unsigned long nr, args[6]; } entry; struct { long rval; unsigned char error; } exit; }; };

static long words[32];
static volatile int poked = 1;
static const char *self;

/* The raw call: what the library makes of some requests is not what is tested. */
static long pt(int request, pid_t pid, unsigned long a, unsigned long d) { return syscall(SYS_ptrace, request, pid, a, d); }
static const char *name(long nr) {
  switch (nr) {
    case SYS_getppid: return "getppid"; case SYS_close: return "close"; case SYS_exit_group: return "exit_group";
    case SYS_read: return "read"; case SYS_kill: return "kill"; case SYS_execve: return "execve"; case SYS_rt_sigreturn: return "sigreturn"; case SYS_getpgid: return "getpgid";
    default: return "?";
  }
}
static void status(const char *who, int s) {
  if (WIFEXITED(s)) printf("%s exited %d\n", who, WEXITSTATUS(s));
  else if (WIFSIGNALED(s)) printf("%s signal %d\n", who, WTERMSIG(s));
  else if (WIFSTOPPED(s)) printf("%s stopped %d event %d\n", who, WSTOPSIG(s), s >> 16);
  else printf("%s %x\n", who, s);
}
static int next(const char *who, pid_t pid) { int s = 0; pid_t r = waitpid(pid, &s, __WALL); if (r < 0) printf("%s %s\n", who, strerrorname_np(errno)); else status(who, s); return s; }
static void info(pid_t pid) {
  siginfo_t i;
  memset(&i, 0, sizeof i);
  long r = pt(PTRACE_GETSIGINFO, pid, 0, (long)&i);
  printf("info %ld signo %d code %x\n", r, i.si_signo, i.si_code);
}
static void call(pid_t pid) {
  struct callinfo c;
  memset(&c, 0, sizeof c);
  long size = pt(0x420e, pid, sizeof c, (long)&c);
  printf("call info %ld op %d", size, c.op);
  if (c.op == 1) printf(" %s", name(c.entry.nr));
  if (c.op == 2) printf(" %ld error %d", c.exit.rval > 0 ? 1 : c.exit.rval, c.exit.error);
  printf("\n");
}
static pid_t start(void (*run)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(99); raise(SIGSTOP); run(); _exit(5); }
  return pid;
}
static void end(pid_t pid) { kill(pid, SIGKILL); next("end", pid); }

static void nothing(int s) {}
static void sends(void) { signal(SIGUSR1, nothing); raise(SIGUSR1); raise(SIGUSR2); raise(SIGURG); _exit(poked); }
static void delivery(void) {
  pid_t pid = start(sends);
  next("first", pid); info(pid);
  SAY(pt(PTRACE_CONT, pid, 0, 999));
  SAY(pt(PTRACE_SETOPTIONS, pid, 0, 0x8000));
  long word;
  SAY(pt(PTRACE_PEEKDATA, pid, (long)&poked, (long)&word)); SAY((int)word);
  SAY(pt(PTRACE_POKEDATA, pid, (long)&poked, (word & ~0xffffffffL) | 42)); SAY(poked);
  SAY(pt(PTRACE_PEEKDATA, pid, 8, (long)&word)); SAY(pt(PTRACE_POKEDATA, pid, 8, 0)); SAY(pt(77, pid, 0, 0));
  SAY(pt(PTRACE_CONT, pid, 0, 0));
  next("usr1", pid); SAY(pt(PTRACE_CONT, pid, 0, SIGUSR1));
  next("usr2", pid); SAY(pt(PTRACE_CONT, pid, 0, 0));
  next("urg", pid); SAY(pt(PTRACE_CONT, pid, 0, 0));
  next("over", pid);
  SAY(pt(PTRACE_CONT, pid, 0, 0)); SAY(pt(PTRACE_CONT, getpid(), 0, 0)); SAY(pt(PTRACE_ATTACH, getpid(), 0, 0)); SAY(pt(PTRACE_ATTACH, 0x3ffffff, 0, 0));
}
static void calls(void) { getppid(); close(-1); if (getpgid(0) == 4711) _exit(8); raise(SIGUSR1); }
static void syscalls(void) {
  pid_t pid = start(calls);
  next("first", pid);
  SAY(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
  call(pid);
  for (int n = 0; n < 40; n++) {
    pt(PTRACE_SYSCALL, pid, 0, 0);
    int s = 0;
    waitpid(pid, &s, 0);
    if (!WIFSTOPPED(s)) { status("calls", s); return; }
    struct callinfo c;
    pt(0x420e, pid, sizeof c, (long)&c);
    if (WSTOPSIG(s) == (SIGTRAP | 0x80) && (c.op == 1 ? name(c.entry.nr)[0] == '?' : 0)) {
      /* Of what the library does besides nothing is told. */
      pt(PTRACE_SYSCALL, pid, 0, 0); waitpid(pid, &s, 0);
      continue;
    }
    status("call", s); call(pid);
    static int isGroup;
    if (c.op == 1) isGroup = c.entry.nr == SYS_getpgid;
    if (c.op == 2 && isGroup) {
      struct iovec v = { words, sizeof words };
      SAY(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (long)&v) == 0 && v.iov_len > 200);
      words[10] = 4711;
      SAY(pt(PTRACE_SETREGSET, pid, NT_PRSTATUS, (long)&v));
      v.iov_len = 13; SAY(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (long)&v));
      v.iov_len = 16; SAY(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (long)&v)); SAY(v.iov_len);
      SAY(pt(PTRACE_GETREGSET, pid, 0x12345, (long)&v));
      info(pid);
    }
  }
}
static int gate[2];
static void reads(void) { char c; read(gate[0], &c, 1); _exit(c); }
static int toCall(pid_t pid, long nr, int op) {
  for (;;) {
    int s;
    struct callinfo c;
    pt(PTRACE_SYSCALL, pid, 0, 0);
    waitpid(pid, &s, 0);
    if (!WIFSTOPPED(s)) { status("lost", s); return s; }
    pt(0x420e, pid, sizeof c, (long)&c);
    if (c.op == op && (op == 2 || c.entry.nr == nr)) return s;
  }
}
static void interrupted(void) {
  pipe(gate);
  pid_t pid = start(reads);
  next("first", pid);
  pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
  toCall(pid, SYS_read, 1);
  kill(pid, SIGURG);
  /* Pending before the call begins, so that it ends at once. */
  pt(PTRACE_SYSCALL, pid, 0, 0); next("exit", pid); call(pid);
  pt(PTRACE_SYSCALL, pid, 0, 0); next("urg", pid); call(pid);
  pt(PTRACE_SYSCALL, pid, 0, 0); next("again", pid); call(pid);
  write(gate[1], "\7", 1);
  pt(PTRACE_SYSCALL, pid, 0, 0); next("exit", pid); call(pid);
  pt(PTRACE_CONT, pid, 0, 0); next("over", pid);
}
static int inChild(void *p) { _exit(4); }
static char stack[65536];
static void forks(void) { if (fork() == 0) _exit(3); wait(0); if (vfork() == 0) _exit(6); int s; pid_t pid = clone(inChild, stack + sizeof stack, CLONE_VM, 0); waitpid(pid, &s, __WALL); _exit(11); }
static void events(void) {
  pid_t pid = start(forks);
  next("first", pid);
  SAY(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT));
  for (int n = 0; n < 3; n++) {
    long child = 0, message = 0;
    pt(PTRACE_CONT, pid, 0, 0); next("parent", pid); info(pid);
    SAY(pt(PTRACE_GETEVENTMSG, pid, 0, (long)&child)); SAY(child > pid);
    next("child", child); info(child);
    pt(PTRACE_CONT, child, 0, 0); next("child ends", child);
    SAY(pt(PTRACE_GETEVENTMSG, child, 0, (long)&message)); printf("message %lx\n", message);
    pt(PTRACE_CONT, child, 0, 0); next("child", child);
    if (n == 1) { pt(PTRACE_CONT, pid, 0, 0); next("done", pid); SAY(pt(PTRACE_GETEVENTMSG, pid, 0, (long)&message)); SAY(message == child); }
    /* Whether its signal comes before the next event depends on who is faster. */
    if (n < 2) { pt(PTRACE_CONT, pid, 0, 0); next("sigchld", pid); }
  }
  pt(PTRACE_CONT, pid, 0, 0); next("exit", pid);
  pt(PTRACE_CONT, pid, 0, 0); next("over", pid);
}
static void executes(void) { execl(self, self, "traced", NULL); _exit(77); }
static void execs(void) {
  for (int way = 0; way < 2; way++) {
    pid_t pid = start(executes);
    next("first", pid);
    long message = 0;
    if (way) SAY(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC));
    pt(PTRACE_CONT, pid, 0, 0); next("exec", pid); info(pid);
    if (way) { SAY(pt(PTRACE_GETEVENTMSG, pid, 0, (long)&message)); SAY(message == pid); }
    pt(PTRACE_CONT, pid, 0, 0); next("over", pid);
  }
}
static void faults(void) { *(volatile int *)16 = 1; }
static void fatal(void) {
  pid_t pid = start(faults);
  next("first", pid);
  pt(PTRACE_CONT, pid, 0, 0); next("fault", pid); info(pid);
  pt(PTRACE_CONT, pid, 0, SIGSEGV); next("over", pid);
}
static pid_t sleeper(void) {
  fflush(stdout);
  int p[2];
  char c;
  pipe(p);
  pid_t pid = fork();
  if (pid == 0) { prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); signal(SIGUSR1, nothing); write(p[1], "x", 1); for (;;) pause(); }
  read(p[0], &c, 1);
  close(p[0]); close(p[1]);
  return pid;
}
static void attaching(void) {
  pid_t pid = sleeper();
  SAY(pt(PTRACE_CONT, pid, 0, 0));
  SAY(pt(PTRACE_ATTACH, pid, 0, 0)); next("attached", pid); SAY(pt(PTRACE_ATTACH, pid, 0, 0)); SAY(pt(PTRACE_INTERRUPT, pid, 0, 0)); SAY(pt(PTRACE_LISTEN, pid, 0, 0));
  SAY(pt(PTRACE_DETACH, pid, 0, 0)); SAY(pt(PTRACE_DETACH, pid, 0, 0)); SAY(waitpid(pid, 0, WNOHANG));
  SAY(pt(PTRACE_ATTACH, pid, 0, 0)); next("attached", pid);
  SAY(pt(PTRACE_DETACH, pid, 0, SIGTERM)); next("over", pid);
}
static void seizing(void) {
  pid_t pid = sleeper();
  SAY(pt(PTRACE_SEIZE, pid, 1, 0)); SAY(pt(PTRACE_SEIZE, pid, 0, 0x8000)); SAY(pt(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT)); SAY(pt(PTRACE_GETSIGINFO, pid, 0, (long)words));
  SAY(waitpid(pid, 0, WNOHANG));
  SAY(pt(PTRACE_INTERRUPT, pid, 0, 0)); next("stop", pid); info(pid); SAY(pt(PTRACE_LISTEN, pid, 0, 0)); 
  SAY(pt(PTRACE_CONT, pid, 0, 0));
  SAY(pt(PTRACE_INTERRUPT, pid, 0, 0)); next("again", pid);
  SAY(pt(PTRACE_CONT, pid, 0, 0));
  kill(pid, SIGSTOP); next("sigstop", pid); info(pid);
  SAY(pt(PTRACE_CONT, pid, 0, SIGSTOP)); next("group", pid); info(pid);
  SAY(pt(PTRACE_LISTEN, pid, 0, 0)); SAY(pt(PTRACE_CONT, pid, 0, 0)); SAY(waitpid(pid, 0, WNOHANG));
  kill(pid, SIGCONT); next("goes on", pid); info(pid);
  SAY(pt(PTRACE_CONT, pid, 0, 0)); next("sigcont", pid);
  SAY(pt(PTRACE_CONT, pid, 0, SIGCONT));
  kill(pid, SIGTERM); next("term", pid);
  SAY(pt(PTRACE_CONT, pid, 0, SIGTERM)); next("event", pid);
  SAY(pt(PTRACE_CONT, pid, 0, 0)); next("over", pid);
  siginfo_t i;
  pid = sleeper();
  SAY(pt(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL)); SAY(pt(PTRACE_INTERRUPT, pid, 0, 0));
  SAY(waitid(P_PID, pid, &i, WSTOPPED | WNOWAIT)); printf("%d %x %d\n", i.si_code, i.si_status, i.si_pid == pid);
  SAY(waitid(P_PID, pid, &i, WEXITED)); printf("%d %x\n", i.si_code, i.si_status);
  end(pid);
}
static void seizingStopped(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { raise(SIGSTOP); _exit(13); }
  int s;
  waitpid(pid, &s, WUNTRACED);
  SAY(pt(PTRACE_SEIZE, pid, 0, 0)); SAY(pt(PTRACE_INTERRUPT, pid, 0, 0)); kill(pid, SIGCONT);
  next("stopped", pid); info(pid);
  SAY(pt(PTRACE_LISTEN, pid, 0, 0)); next("told", pid); info(pid);
  SAY(pt(PTRACE_CONT, pid, 0, 0)); next("sigcont", pid); info(pid);
  SAY(pt(PTRACE_CONT, pid, 0, SIGCONT)); next("over", pid);
}
static void handled(int signal) {}
static void memory(void) {
  static char text[] = "in memory", got[16];
  char path[32];
  pid_t pid = sleeper();
  snprintf(path, 32, "/proc/%d/mem", pid);
  int fd = open(path, O_RDWR);
  SAY(fd >= 0); SAY(pread(fd, got, 9, (long)text)); printf("%s\n", got);
  SAY(pwrite(fd, "on", 2, (long)text)); SAY(pread(fd, got, 9, (long)text)); printf("%s %s\n", got, text);
  SAY(pread(fd, got, 9, 8)); SAY(pwrite(fd, "on", 2, 8)); SAY(pread(fd, got, 0, 8)); SAY(lseek(fd, (long)text, SEEK_SET) == (long)text); SAY(read(fd, got, 2));
  kill(pid, SIGKILL); waitpid(pid, 0, 0);
  SAY(pread(fd, got, 9, (long)text));
}
/* The mask that a tracer sets is what a thread comes back to from sigsuspend, in which it may have been meanwhile. */
static void masks(void) {
  sigset_t one, both, none;
  sigemptyset(&none); sigemptyset(&one); sigaddset(&one, SIGUSR1); both = one; sigaddset(&both, SIGUSR2);
  sigprocmask(SIG_SETMASK, &one, 0);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGUSR1, handled);
    sigsuspend(&none);
    sigprocmask(SIG_SETMASK, 0, &one);
    _exit(sigismember(&one, SIGUSR1) + 2 * sigismember(&one, SIGUSR2));
  }
  sigprocmask(SIG_SETMASK, &none, 0);
  SAY(pt(PTRACE_SEIZE, pid, 0, 0)); SAY(pt(PTRACE_INTERRUPT, pid, 0, 0)); next("held", pid);
  SAY(pt(PTRACE_SETSIGMASK, pid, 8, (long)&both)); SAY(pt(PTRACE_CONT, pid, 0, 0));
  kill(pid, SIGUSR1); next("signal", pid);
  SAY(pt(PTRACE_CONT, pid, 0, SIGUSR1)); next("over", pid);
}
static void tracerEnds(void) {
  for (int way = 0; way < 2; way++) {
    pid_t pid = sleeper();
    fflush(stdout);
    pid_t tracer = fork();
    if (tracer == 0) _exit(pt(PTRACE_SEIZE, pid, 0, way ? PTRACE_O_EXITKILL : 0) || pt(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, 0, __WALL) != pid);
    next("tracer", tracer);
    if (!way) kill(pid, SIGTERM);
    next("traced", pid);
  }
}
static void vectors(void) {
  static char text[] = "a text of the child", read[64];
  pid_t pid = sleeper();
  struct iovec local[2] = { { read, 6 }, { read + 10, 20 } }, remote[2] = { { text, 10 }, { text + 10, 10 } }, bad = { (void *)8, 8 };
  SAY(process_vm_readv(pid, local, 2, remote, 2, 0)); printf("%s %s\n", read, read + 10);
  strcpy(read, "A new");
  SAY(process_vm_writev(pid, local, 1, remote, 1, 0)); SAY(process_vm_readv(pid, local + 1, 1, remote, 1, 0)); printf("%s\n", read + 10);
  SAY(process_vm_readv(pid, local, 1, &bad, 1, 0)); SAY(process_vm_readv(pid, local, 1, remote, 1, 1)); SAY(process_vm_readv(0x3ffffff, local, 1, remote, 1, 0)); SAY(process_vm_readv(pid, local, 0, remote, 1, 0));
  kill(pid, SIGKILL); waitpid(pid, 0, 0);
}
/* Whether this host lets its processes look into one another at all: containers may forbid it. */
static int isForbidden(void) {
  char byte = 0, copy = 1;
  pid_t pid = sleeper();
  struct iovec to = { &copy, 1 }, from = { &byte, 1 };
  int forbidden = pt(PTRACE_SEIZE, pid, 0, 0) < 0 || process_vm_readv(pid, &to, 1, &from, 1, 0) < 0;
  kill(pid, SIGKILL);
  return forbidden;
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return isForbidden();
  setvbuf(stdout, 0, _IOFBF, 65536);
  self = argc > 1 ? argv[1] : argv[0];
  if (argc > 1 && !strcmp(argv[1], "traced")) return 21;
  delivery(); syscalls(); interrupted(); events(); execs(); fatal(); attaching(); seizing(); seizingStopped(); memory(); masks(); tracerEnds(); vectors();
  return 0;
}
