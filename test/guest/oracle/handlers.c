/* Signal handlers: what they are told, masks, order, nesting, stacks of their own, calls that are interrupted or restarted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define show(x) do { errno = 0; long r_ = (long)(x); printf("%s = %ld%s%s\n", #x, r_, r_ < 0 ? " " : "", r_ < 0 ? strerrorname_np(errno) : ""); } while (0)

static volatile sig_atomic_t count;
static char order[256];
static void note(const char *s) { strcat(order, s); }
static void shown(const char *what) { printf("%s: %s\n", what, order); order[0] = 0; }

static void counts(int s) { (void)s; count++; }
static void set(int signal, void (*handler)(int), int flags) {
  struct sigaction a = { .sa_handler = handler, .sa_flags = flags };
  if (sigaction(signal, &a, 0)) printf("sigaction failed\n");
}
static sigset_t one(int s) { sigset_t m; sigemptyset(&m); sigaddset(&m, s); return m; }

static siginfo_t told;
static void tells(int s, siginfo_t *i, void *u) { (void)u; told = *i; count = s; }
static void setInfo(int signal, int flags) {
  struct sigaction a = { .sa_sigaction = tells, .sa_flags = SA_SIGINFO | flags };
  sigaction(signal, &a, 0);
}

static void infos(void) {
  setInfo(SIGUSR1, 0);
  kill(getpid(), SIGUSR1);
  printf("kill %d %d %d %d\n", told.si_signo, told.si_code, told.si_pid == getpid(), told.si_uid == getuid());
  raise(SIGUSR1);
  printf("raise %d %d %d\n", told.si_signo, told.si_code, told.si_pid == getpid());
  setInfo(SIGRTMIN + 3, 0);
  sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 4711 });
  printf("queue %d %d %d\n", told.si_signo - SIGRTMIN, told.si_code, told.si_value.sival_int);
  siginfo_t fake = { .si_signo = SIGUSR1, .si_code = -55, .si_pid = 7, .si_uid = 8 };
  show(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &fake));
  printf("own %d %d %d\n", told.si_code, told.si_pid, told.si_uid);
  setInfo(SIGCHLD, 0);
  pid_t pid = fork();
  if (pid == 0) _exit(9);
  int status;
  while (waitpid(pid, &status, 0) < 0) ;
  printf("child %d %d %d %d\n", told.si_signo, told.si_code, told.si_pid == pid, told.si_status);
  if ((pid = fork()) == 0) for (;;) pause();
  kill(pid, SIGTERM);
  while (waitpid(pid, &status, 0) < 0) ;
  printf("child %d %d %d\n", told.si_code, told.si_pid == pid, told.si_status);
  signal(SIGCHLD, SIG_DFL);
}

static sigjmp_buf back;
static void jumps(int s, siginfo_t *i, void *u) { (void)s; (void)u; told = *i; siglongjmp(back, 1); }

static void faults(void) {
  struct sigaction a = { .sa_sigaction = jumps, .sa_flags = SA_SIGINFO };
  char *page = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096, 4096);
  sigaction(SIGSEGV, &a, 0);
  if (!sigsetjmp(back, 1)) *(volatile char *)(page + 5) = 1;
  printf("protected %d %d %d\n", told.si_signo, told.si_code, told.si_addr == page + 5);
  if (!sigsetjmp(back, 1)) *(volatile char *)(page + 4096 + 6) = 1;
  printf("unmapped %d %d %d\n", told.si_signo, told.si_code, told.si_addr == page + 4096 + 6);
  if (!sigsetjmp(back, 1)) kill(getpid(), SIGSEGV);
  printf("sent %d %d\n", told.si_code, told.si_pid == getpid());
  sigaction(SIGTRAP, &a, 0);
#ifdef __riscv
  sigaction(SIGILL, &a, 0);
  if (!sigsetjmp(back, 1)) __asm__ volatile(".word 0xffffffff");
  printf("illegal %d %d\n", told.si_signo, told.si_code);
  if (!sigsetjmp(back, 1)) __asm__ volatile("ebreak");
  printf("trap %d %d\n", told.si_signo, told.si_code);
#else
  printf("illegal 4 1\ntrap 5 1\n");
#endif
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t m = one(SIGSEGV);
    sigprocmask(SIG_BLOCK, &m, 0);
    *(volatile char *)page = 1;
  }
  int status;
  waitpid(pid, &status, 0);
  printf("masked fault %d\n", WTERMSIG(status));
  if ((pid = fork()) == 0) { signal(SIGSEGV, SIG_IGN); *(volatile char *)page = 1; }
  waitpid(pid, &status, 0);
  printf("ignored fault %d\n", WTERMSIG(status));
  signal(SIGSEGV, SIG_DFL);
}

static volatile char *target;
static void opens(int s, siginfo_t *i, void *u) { (void)s; (void)i; (void)u; mprotect((void *)target, 4096, PROT_READ | PROT_WRITE); count++; }
static void retried(void) {
  target = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction a = { .sa_sigaction = opens, .sa_flags = SA_SIGINFO };
  sigaction(SIGSEGV, &a, 0);
  count = 0;
  target[9] = 42;
  printf("retried %d %d\n", count, target[9]);
  signal(SIGSEGV, SIG_DFL);
}

static void inner(int s) { (void)s; note("i"); }
static void outer(int s) { (void)s; note("("); raise(SIGUSR2); note("-"); raise(SIGUSR1); note(")"); }
static void nesting(void) {
  set(SIGUSR1, outer, 0); set(SIGUSR2, inner, 0);
  static int depth;
  (void)depth;
  struct sigaction a = { .sa_handler = outer };
  sigaddset(&a.sa_mask, SIGUSR2);
  set(SIGUSR2, inner, 0);
  // Its own signal waits until it has returned; here only once.
  set(SIGUSR1, outer, SA_RESETHAND);
  pid_t pid = fork();
  if (pid == 0) { raise(SIGUSR1); shown("never"); _exit(0); }
  int status;
  waitpid(pid, &status, 0);
  printf("reset %d\n", WTERMSIG(status));
  struct sigaction once = { .sa_handler = inner, .sa_flags = SA_RESETHAND | SA_RESTART };
  struct sigaction after;
  sigaddset(&once.sa_mask, SIGTERM);
  sigaction(SIGWINCH, &once, 0);
  raise(SIGWINCH);
  sigaction(SIGWINCH, 0, &after);
  printf("after it %d %d %d %d\n", after.sa_handler == SIG_DFL, !!(after.sa_flags & SA_RESETHAND), !!(after.sa_flags & SA_RESTART), sigismember(&after.sa_mask, SIGTERM));
  sigaction(SIGUSR1, &a, 0);
  struct sigaction now;
  sigaction(SIGUSR1, 0, &now);
  printf("mask kept %d\n", sigismember(&now.sa_mask, SIGUSR2));
}

static int level;
static void deeper(int s) { note("<"); if (level++ < 3) raise(s); note(">"); }
static void nodefer(void) {
  level = 0; set(SIGUSR1, deeper, SA_NODEFER);
  raise(SIGUSR1); shown("nodefer");
  level = 0; set(SIGUSR1, deeper, 0);
  raise(SIGUSR1); shown("defer");
}

static void letters(int s) { char c[2] = { s < 32 ? (s == SIGUSR1 ? 'u' : s == SIGUSR2 ? 'v' : 's') : (char)('A' + s - SIGRTMIN), 0 }; note(c); }
static void numbers(int s, siginfo_t *i, void *u) { (void)u; char c[16]; sprintf(c, "%d:%d ", s - SIGRTMIN, i->si_value.sival_int); note(c); }

static void ordering(void) {
  sigset_t all, pending;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, 0);
  for (int i = 0; i < 5; i++) set(SIGRTMIN + i, letters, 0);
  set(SIGUSR1, letters, 0); set(SIGUSR2, letters, 0); set(SIGTERM, letters, 0);
  raise(SIGRTMIN + 2); raise(SIGUSR2); raise(SIGRTMIN); raise(SIGUSR1); raise(SIGUSR1); raise(SIGRTMIN + 2); raise(SIGTERM); kill(getpid(), SIGRTMIN + 1);
  sigpending(&pending);
  printf("pending %d %d %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGINT), sigismember(&pending, SIGRTMIN + 2), sigismember(&pending, SIGRTMIN + 3));
  sigset_t m = one(SIGTERM);
  sigprocmask(SIG_UNBLOCK, &m, 0);
  shown("one");
  struct sigaction a = { .sa_sigaction = numbers, .sa_flags = SA_SIGINFO };
  sigfillset(&a.sa_mask);
  for (int i = 0; i < 5; i++) sigaction(SIGRTMIN + i, &a, 0);
  for (int i = 0; i < 3; i++) { sigqueue(getpid(), SIGRTMIN + 4, (union sigval){ .sival_int = i }); sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 10 + i }); }
  siginfo_t info;
  m = one(SIGRTMIN + 4);
  show(sigwaitinfo(&m, &info) - SIGRTMIN);
  printf("waited %d\n", info.si_value.sival_int);
  show(sigtimedwait(&m, &info, &(struct timespec){ 0, 0 }) - SIGRTMIN);
  sigset_t usr = one(SIGUSR1);
  sigaddset(&usr, SIGUSR2);
  show(sigtimedwait(&usr, 0, 0));
  show(sigtimedwait(&usr, 0, 0));
  show(sigtimedwait(&usr, 0, &(struct timespec){ 0, 1000000 }));
  show(sigtimedwait(&usr, 0, &(struct timespec){ 0, 1000000000 }));
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  // Several that come at once nest, so the last is handled first; a handler that masks all sees them in order.
  shown("rest");
  sigprocmask(SIG_SETMASK, &all, 0);
  signal(SIGUSR1, letters); raise(SIGUSR1); signal(SIGUSR1, SIG_IGN); signal(SIGUSR1, letters);
  sigprocmask(SIG_SETMASK, &none, 0);
  shown("ignored meanwhile");
}

/* Alarms come until they are stopped: one alone could come before the call that it is to interrupt, which would then
 * wait for ever. */
static void alarms(int us) { setitimer(ITIMER_REAL, &(struct itimerval){ { 0, us }, { 0, us } }, 0); }
#define INTERRUPTED(call) do { alarms(20000); errno = 0; long got_ = (call); int error_ = errno; alarms(0); \
  printf("%s = %ld%s%s\n", #call, got_, got_ < 0 ? " " : "", got_ < 0 ? strerrorname_np(error_) : ""); } while (0)
static const struct timespec hour = { 3600, 0 };

static void interrupted(void) {
  int p[2], go[2];
  char c;
  pipe(p), pipe(go);
  set(SIGALRM, counts, 0);
  count = 0;
  INTERRUPTED(read(p[0], &c, 1));
  struct timespec left = { 0, 0 };
  INTERRUPTED(nanosleep(&hour, &left));
  printf("left %d\n", left.tv_sec > 0 && left.tv_sec < 3600);
  INTERRUPTED(clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, &left));
  INTERRUPTED(poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, 3600000));
  INTERRUPTED(pause());
  pid_t pid = fork();
  if (pid == 0) { nanosleep(&(struct timespec){ 0, 60000000 }, 0); write(p[1], "x", 1); nanosleep(&(struct timespec){ 0, 40000000 }, 0); _exit(3); }
  set(SIGALRM, counts, SA_RESTART);
  INTERRUPTED(read(p[0], &c, 1));
  int status;
  INTERRUPTED(waitpid(pid, &status, 0) == pid);
  INTERRUPTED(poll(0, 0, 3600000));
  INTERRUPTED(nanosleep(&hour, &left));
  if ((pid = fork()) == 0) { read(go[0], &c, 1); _exit(3); }
  set(SIGALRM, counts, 0);
  INTERRUPTED(waitpid(pid, &status, 0));
  write(go[1], "x", 1);
  show(waitpid(pid, &status, 0) == pid);
  printf("an alarm for each %d\n", count >= 8);
  close(go[0]), close(go[1]);
  set(SIGUSR1, counts, 0);
  sigset_t none, m = one(SIGUSR1), now;
  sigemptyset(&none);
  sigprocmask(SIG_BLOCK, &m, 0);
  raise(SIGUSR1);
  count = 0;
  show(sigsuspend(&none));
  sigprocmask(SIG_BLOCK, 0, &now);
  printf("suspended %d, masked %d\n", count, sigismember(&now, SIGUSR1));
  close(p[0]);
  set(SIGPIPE, counts, 0);
  count = 0;
  show(write(p[1], "x", 1));
  printf("pipe %d\n", count);
  signal(SIGPIPE, SIG_IGN);
  show(write(p[1], "x", 1));
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_UNBLOCK, &m, 0);
}

static char stack[65536];
static volatile int onStack;
static void stacked(int s) { (void)s; char here; onStack = &here >= stack && &here < stack + sizeof stack; stack_t now; sigaltstack(0, &now); onStack |= now.ss_flags << 4; }
static void stacks(void) {
  stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack }, old;
  show(sigaltstack(0, &old));
  printf("flags %d\n", old.ss_flags);
  show(sigaltstack(&ss, 0));
  set(SIGUSR1, stacked, SA_ONSTACK);
  raise(SIGUSR1);
  printf("on %x\n", onStack);
  set(SIGUSR1, stacked, 0);
  raise(SIGUSR1);
  printf("off %x\n", onStack);
  ss.ss_size = 100;
  show(sigaltstack(&ss, 0));
  ss.ss_flags = 77;
  show(sigaltstack(&ss, 0));
  ss.ss_flags = SS_DISABLE;
  show(sigaltstack(&ss, &old));
  printf("was %d %d\n", old.ss_sp == stack, old.ss_size == sizeof stack);
}

static void overflowing(int s) { (void)s; write(1, "stack overflow handled\n", 23); _exit(5); }
static int recurse(volatile int n) { volatile char big[1000]; big[0] = n; return recurse(n + 1) + big[0]; }
static void overflow(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&ss, 0);
    set(SIGSEGV, overflowing, SA_ONSTACK);
    recurse(1);
  }
  int status;
  waitpid(pid, &status, 0);
  printf("%d %d\n", WIFEXITED(status), WEXITSTATUS(status));
  if ((pid = fork()) == 0) { set(SIGSEGV, overflowing, 0); recurse(1); }
  waitpid(pid, &status, 0);
  printf("without a stack %d\n", WTERMSIG(status));
}

static void stops(void) {
  int status;
  pid_t pid = fork();
  if (pid == 0) for (;;) pause();
  kill(pid, SIGSTOP);
  show(waitpid(pid, &status, WUNTRACED) == pid);
  printf("%d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
  show(waitpid(pid, &status, WUNTRACED | WNOHANG));
  kill(pid, SIGCONT);
  show(waitpid(pid, &status, WCONTINUED) == pid);
  printf("%d\n", WIFCONTINUED(status));
  kill(pid, SIGSTOP);
  siginfo_t info;
  show(waitid(P_PID, pid, &info, WSTOPPED));
  printf("%d %d\n", info.si_code, info.si_status);
  kill(pid, SIGKILL);
  show(waitpid(pid, &status, 0) == pid);
  printf("%d\n", WTERMSIG(status));
  // Another child: of the stop of the one before, this process may be told later than it has seen it.
  if ((pid = fork()) == 0) for (;;) pause();
  setInfo(SIGCHLD, SA_RESTART);
  count = 0;
  kill(pid, SIGKILL);
  show(waitpid(pid, &status, 0) == pid);
  printf("%d, told %d %d\n", WTERMSIG(status), count == SIGCHLD, told.si_code);
  signal(SIGCHLD, SIG_DFL);
}

// What comes for a thread that is not there yet waits: only this call lets it in.
static void *sleeper(void *p) {
  sigset_t none;
  sigemptyset(&none);
  int r = ppoll(0, 0, &hour, &none);
  return p = (void *)(long)(r < 0 ? -errno : r);
}
static pthread_t handledBy;
static void whose(int s) { (void)s; handledBy = pthread_self(); count++; }
static void threads(void) {
  set(SIGUSR1, whose, 0);
  sigset_t m = one(SIGUSR1);
  pthread_t t;
  void *r;
  pthread_sigmask(SIG_BLOCK, &m, 0);
  count = 0;
  pthread_create(&t, 0, sleeper, 0);
  pthread_kill(t, SIGUSR1);
  pthread_join(t, &r);
  printf("thread %d %ld %d\n", count, (long)r, pthread_equal(handledBy, t));
  pthread_create(&t, 0, sleeper, 0);
  kill(getpid(), SIGUSR1);
  pthread_join(t, &r);
  printf("other thread %d %ld %d\n", count, (long)r, pthread_equal(handledBy, t));
  pthread_sigmask(SIG_UNBLOCK, &m, 0);
}

static void refusals(void) {
  struct sigaction a = { .sa_handler = counts };
  show(sigaction(SIGKILL, &a, 0));
  show(sigaction(SIGSTOP, 0, &a));
  show(sigaction(65, &a, 0));
  show(kill(getpid(), 65));
  show(kill(getpid(), 0));
  show(kill(0x3fffffff, 0));
  show(syscall(SYS_tgkill, getpid(), 0x3fffffff, 0));
  show(syscall(SYS_tgkill, getpid(), getpid(), 0));
  show(syscall(SYS_tgkill, -1, getpid(), 0));
  a.sa_flags = SA_RESTART | 0x400;
  set(SIGUSR2, counts, SA_RESTART);
  sigaction(SIGUSR2, 0, &a);
  printf("flags %x\n", a.sa_flags & (SA_RESTART | 0x400));
  sigset_t all, now;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, 0);
  sigprocmask(SIG_SETMASK, 0, &now);
  printf("kill %d stop %d term %d\n", sigismember(&now, SIGKILL), sigismember(&now, SIGSTOP), sigismember(&now, SIGTERM));
  sigemptyset(&all);
  sigprocmask(SIG_SETMASK, &all, 0);
}

static double values(int s) { return s * 1.5; }
static void clobbers(int s) { volatile double d = 1; for (int i = 0; i < 100; i++) d = d * 1.1 + values(s); count++; }
static void registers(void) {
  set(SIGALRM, clobbers, 0);
  count = 0;
  setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 1000 }, { 0, 1000 } }, 0);
  double sum = 0;
  unsigned long hash = 1;
  for (long i = 0; i < 20000000 && count < 10; i++) { }
  for (int i = 0; i < 3000000; i++) { sum += i * 0.5; hash = hash * 31 + i; }
  setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, 0);
  printf("registers %.1f %lx %d\n", sum, hash, count > 0);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    infos(); faults(); retried(); nesting(); nodefer(); ordering(); interrupted(); stacks(); overflow(); stops(); threads(); refusals(); registers();
    return 0;
  }
  int status;
  waitpid(pid, &status, 0);
  printf("%x\n", status);
  return 0;
}
