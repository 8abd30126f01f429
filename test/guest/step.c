/* Executes a child's instructions one by one, which Linux does not offer on this hardware, between two breakpoints. */
#define _GNU_SOURCE
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long registers[32];
static struct iovec set = {registers, sizeof registers};

static void stop(pid_t pid) {
  int status;
  siginfo_t info;
  waitpid(pid, &status, 0);
  ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
  unsigned long before = registers[0];
  ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &set);
  printf("signal %d code %d, %ld bytes on, t0 %ld\n", WSTOPSIG(status), info.si_code,
         before == 0 ? 0 : registers[0] - before, info.si_code == 2 ? registers[5] : 0);
}
int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    asm volatile(".option push\n.option norvc\nebreak\naddi t0, zero, 5\nslli t0, t0, 4\nli a7, 172\necall\nebreak\n.option pop" ::: "t0", "a0", "a7");
    _exit(3);
  }
  stop(pid);
  registers[0] += 4;
  ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &set);
  for (int i = 0; i < 4; i++) {
    ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
    stop(pid);
  }
  printf("result %d\n", registers[10] == pid);
  ptrace(PTRACE_CONT, pid, 0, 0);
  stop(pid);
  registers[0] += 4;
  ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &set);
  int status;
  ptrace(PTRACE_CONT, pid, 0, 0);
  waitpid(pid, &status, 0);
  printf("exited %d\n", WEXITSTATUS(status));
  return 0;
}
