/* Mounts, binds, moves, unmounts, pivots and name spaces without plan, by a number: whatever comes of each, all must stay whole. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned state;
static unsigned pick(unsigned n) { state = state * 1664525 + 1013904223; return (state >> 8) % n; }
static const char *const names[] = {"/t/a", "/t/b", "/t/a/c", "/t/b/c", "/t/a/c/d", "/t/f", "/t/a/f", ".", "..", "c", "f", "/", "/t", "/t/l", "/proc/self/fd/5", "/t/b/o"};
static const char *name(void) { return names[pick(pick(4) ? 7 : sizeof names / sizeof *names)]; }
static const char *const kinds[] = {"tmpfs", "tmpfs", "tmpfs", "proc", "sysfs", "devtmpfs", "devpts"};
static const unsigned long flags[] = {0, 0, MS_RDONLY, MS_NOSUID | MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_STRICTATIME};
static int spaces[4] = {-1, -1, -1, -1};

static void step(int depth);
static void other(int depth) {
  static char page[4096];
  int fd;
  switch (pick(14)) {
    case 0: mkdir(name(), 0755); break;
    case 1: fd = open(name(), O_CREAT | O_RDWR, 0644); if (fd >= 0) { write(fd, page, sizeof page); if (pick(2)) dup2(fd, 5 + pick(3)); close(fd); } break;
    case 2: close(5 + pick(3)); break;
    case 3: rename(name(), name()); break;
    case 4: unlink(name()); break;
    case 5: rmdir(name()); break;
    case 6: chdir(name()); break;
    case 7: symlink(name(), "/t/l"); break;
    case 8: fd = open(name(), O_RDONLY); if (fd >= 0) { void *at = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0); if (at != MAP_FAILED && pick(2)) munmap(at, 4096); close(fd); } break;
    case 9: if (pick(8) == 0) chroot(name()); break;
    case 10: fd = open("/proc/self/mountinfo", O_RDONLY); if (fd >= 0) { while (read(fd, page, sizeof page) > 0); close(fd); } break;
    case 11: link(name(), name()); break;
    case 12: { int i = pick(4); close(spaces[i]); spaces[i] = open("/proc/self/ns/mnt", O_RDONLY); break; }
    case 13: setns(spaces[pick(4)], 0); break;
  }
}
/* What was covered or taken away is there again, where it can be made. */
static void refresh(void) {
  static const char *const directories[] = {"/t", "/t/a", "/t/b", "/t/a/c", "/t/b/c", "/t/a/c/d", "/t/b/o", "c"};
  for (int i = 0; i < 8; i++) mkdir(directories[i], 0755);
  close(open("/t/f", O_CREAT | O_RDWR, 0644)), close(open("/t/a/f", O_CREAT | O_RDWR, 0644));
}
static void step(int depth) {
  if (pick(3) == 0) refresh();
  switch (pick(13)) {
    case 0: case 1: mount("none", name(), kinds[pick(7)], flags[pick(7)], pick(3) ? "" : "size=8k,nr_inodes=6"); break;
    case 2: case 3: mount(name(), name(), 0, MS_BIND | (pick(2) ? MS_REC : 0), 0); break;
    case 4: mount(name(), name(), 0, MS_MOVE, 0); break;
    case 5: mount(0, name(), 0, MS_REMOUNT | (pick(2) ? MS_BIND : 0) | flags[pick(7)], ""); break;
    case 6: umount2(name(), 0); break;
    case 7: umount2(name(), pick(2) ? MNT_DETACH : MNT_EXPIRE); break;
    case 8: syscall(SYS_pivot_root, name(), name()); break;
    case 9: mount(0, name(), 0, pick(2) ? MS_UNBINDABLE : MS_PRIVATE | MS_REC, 0); break;
    case 10: if (pick(3) == 0) unshare(CLONE_NEWNS | (depth > 0 && pick(2) ? CLONE_NEWUSER : 0)); break;
    case 11:
      if (depth == 0 && pick(2)) {
        if (fork() == 0) { state ^= 0x9e3779b9; for (int i = 0; i < 60; i++) step(1), other(1); _exit(0); }
        if (pick(2)) wait(0);
      }
      break;
    default: other(depth);
  }
}
int main(int argc, char **argv) {
  state = atoi(argv[1]);
  mkdir("/t", 0755), mkdir("/t/a", 0755), mkdir("/t/b", 0755), mkdir("/t/a/c", 0755);
  /* All in a name space that goes with the last of them. */
  if (fork() == 0) {
    unshare(CLONE_NEWNS);
    for (int i = 0; i < 700; i++) step(0), other(0);
    _exit(0);
  }
  while (wait(0) > 0);
  struct statfs s;
  printf("%ld %d\n", statfs("/t", &s) < 0 ? -1L : (long)s.f_type, access("/proc/self/mounts", R_OK));
  return 0;
}
