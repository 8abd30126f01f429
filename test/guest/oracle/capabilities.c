/* What an ordinary user is capable of, which is nothing, and how that is asked for and refused (capabilities(7)). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static struct __user_cap_header_struct header;
static struct __user_cap_data_struct sets[2];
static long capget(unsigned version, int pid) { header.version = version; header.pid = pid; memset(sets, 0x55, sizeof sets); return syscall(SYS_capget, &header, sets); }
static long capset(unsigned version, int pid) { header.version = version; header.pid = pid; return syscall(SYS_capset, &header, sets); }
static const unsigned v1 = _LINUX_CAPABILITY_VERSION_1, v2 = _LINUX_CAPABILITY_VERSION_2, v3 = _LINUX_CAPABILITY_VERSION_3;

int main(void) {
  SAY(capget(v3, 0)); SAY(sets[0].effective); SAY(sets[1].permitted); SAY(sets[0].inheritable);
  SAY(capget(v2, getpid())); SAY(capget(v1, getpid())); SAY(sets[0].effective); SAY(sets[1].effective);
  SAY(capget(v3, -1)); SAY(capget(v3, 0x7ffffff0)); SAY(capget(7, 0)); SAY(header.version == v3);
  header.version = 7; SAY(syscall(SYS_capget, &header, 0)); SAY(header.version == v3);
  SAY(syscall(SYS_capget, &header, 0)); SAY(syscall(SYS_capget, 8, sets)); SAY(syscall(SYS_capget, &header, 8));
  memset(sets, 0, sizeof sets);
  SAY(capset(v3, 0)); SAY(capset(v3, getpid())); SAY(capset(v3, 0x7ffffff0)); SAY(capset(7, 0)); SAY(syscall(SYS_capset, &header, 8));
  sets[0].effective = 1; SAY(capset(v3, 0));
  sets[0].permitted = 1; SAY(capset(v3, 0));
  memset(sets, 0, sizeof sets); sets[0].inheritable = 1; SAY(capset(v3, 0));
  memset(sets, 0, sizeof sets); sets[1].effective = 1 << 30; SAY(capset(v3, 0));
  SAY(prctl(PR_CAPBSET_READ, 64, 0, 0, 0)); SAY(prctl(PR_CAPBSET_DROP, 3, 0, 0, 0)); SAY(prctl(PR_CAPBSET_DROP, 64, 0, 0, 0));
  SAY(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)); SAY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0)); SAY(prctl(PR_SET_SECUREBITS, 1 << 12, 0, 0, 0));
  SAY(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0)); SAY(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0)); SAY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  SAY(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0)); SAY(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5, 0, 0)); SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5, 0, 0));
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 5, 0, 0)); SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0)); SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0));
  SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5, 1, 0)); SAY(prctl(PR_CAP_AMBIENT, 9, 5, 0, 0));
  SAY(chroot("/")); SAY(sethostname("x", 1)); SAY(setns(0, 0));
  return 0;
}
