#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/utsname.h>
#include <sys/sysinfo.h>
#include <sys/resource.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
int main(void) {
  printf("%ld %s\n", syscall(1234), strerrorname_np(errno));
  printf("%ld %s\n", syscall(-1L), strerrorname_np(errno));
  printf("bpf %ld %s\n", syscall(280), strerrorname_np(errno));
  struct utsname u; uname(&u);
  printf("%s %s %s\n", u.sysname, u.nodename, u.machine);
  struct sysinfo s; sysinfo(&s);
  printf("ram %d procs %d\n", s.totalram == 16 << 20, s.procs);
  struct rlimit r; getrlimit(RLIMIT_STACK, &r);
  printf("stack %lu\n", r.rlim_cur);
  struct pollfd p[2] = {{0, POLLIN, 0}, {1, POLLOUT, 0}};
  printf("poll %d %d %d\n", poll(p, 2, 100), p[0].revents, p[1].revents);
  printf("poll nothing %d\n", poll(p, 1, 100));
  cpu_set_t set; sched_getaffinity(0, sizeof set, &set);
  printf("cpus %d pid %d tid %d uid %d\n", CPU_COUNT(&set), getpid(), gettid(), getuid());
  printf("write %zd %s\n", write(1, (void *)8, 5), strerrorname_np(errno));
  printf("read %zd %s\n", read(0, (void *)-1L, 5), strerrorname_np(errno));
  return 0;
}
