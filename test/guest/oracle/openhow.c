/* openat2: what it refuses of its structure, and where paths must not lead. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "say.h"

static int raw(int dir, const char *path, const void *how, size_t size) {
  int fd = syscall(SYS_openat2, dir, path, how, size);
  if (fd >= 0) close(fd);
  return fd < 0 ? -1 : 0;
}
static int how(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how h = {flags, mode, resolve};
  return raw(dir, path, &h, sizeof h);
}
static int in;
static int walks(const char *path, uint64_t resolve) { return how(in, path, O_RDONLY, 0, resolve); }

static void structure(void) {
  struct { struct open_how how; uint64_t more; } h = {{O_RDONLY, 0, 0}, 0};
  char large[5000] = {0};
  SAY(raw(in, "f", &h, 8)); SAY(raw(in, "f", &h, 23)); SAY(raw(in, "f", &h, 24)); SAY(raw(in, "f", &h, 32)); SAY(raw(in, "f", large, 4096)); SAY(raw(in, "f", large, 4097));
  h.more = 1;
  SAY(raw(in, "f", &h, 32)); SAY(raw(in, "f", &h, 24)); SAY(raw(in, "f", (void *)8, 24)); SAY(raw(in, (void *)8, &h, 24)); SAY(raw(999, "f", &h, 24)); SAY(raw(in, "", &h, 24));
  SAY(how(in, "f", 1ull << 40, 0, 0)); SAY(how(in, "f", 1 << 26, 0, 0)); SAY(how(in, "f", O_RDONLY, 0600, 0)); SAY(how(in, "f", O_RDONLY, 0, 0x40)); SAY(how(in, "f", O_RDONLY, 0, 1ull << 33));
  SAY(how(in, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT)); SAY(how(in, "f", O_RDWR | O_NONBLOCK | O_SYNC | O_NOCTTY | O_CLOEXEC | O_APPEND | O_NOATIME, 0, 0));
  SAY(how(in, "n", O_CREAT | O_RDWR, 010600, 0)); SAY(how(in, "n", O_CREAT | O_RDWR, 1ull << 40, 0)); SAY(how(in, "n", O_CREAT | O_EXCL | O_RDWR, 0600, 0)); SAY(how(in, "n", O_CREAT | O_EXCL | O_RDWR, 0600, 0)); SAY(unlinkat(in, "n", 0));
  SAY(how(in, "n", O_CREAT | O_DIRECTORY | O_RDWR, 0600, 0)); SAY(how(in, "d", O_CREAT | O_DIRECTORY, 0600, 0)); SAY(openat(in, "n", O_CREAT | O_DIRECTORY | O_RDWR, 0600)); SAY(openat(in, "d", O_CREAT | O_DIRECTORY, 0600));
  SAY(how(in, ".", O_TMPFILE | O_RDWR, 0600, 0)); SAY(how(in, ".", O_TMPFILE | O_RDONLY, 0600, 0));
  SAY(how(in, "f", O_PATH | O_RDWR, 0, 0)); SAY(how(in, "f", O_PATH | O_NONBLOCK, 0, 0)); SAY(how(in, "l", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0)); SAY(how(in, "d", O_PATH | O_DIRECTORY, 0, 0));
  SAY(how(in, "f", O_RDONLY, 0, RESOLVE_CACHED) == 0 || errno == EAGAIN); SAY(how(in, "f", O_RDWR | O_TRUNC, 0, RESOLVE_CACHED)); SAY(how(in, "x", O_RDWR | O_CREAT, 0600, RESOLVE_CACHED));
}

static void links(void) {
  SAY(walks("l", 0)); SAY(walks("l", RESOLVE_NO_SYMLINKS)); SAY(walks("up/f", RESOLVE_NO_SYMLINKS)); SAY(walks("d/../f", RESOLVE_NO_SYMLINKS)); SAY(how(in, "l", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS)); SAY(how(in, "l", O_NOFOLLOW, 0, 0)); SAY(walks("l", RESOLVE_NO_MAGICLINKS));
  int root = open("/", O_PATH);
  SAY(how(root, "proc/self/cwd", O_RDONLY, 0, 0)); SAY(how(root, "proc/self/cwd", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS)); SAY(how(root, "proc/self/cwd/.", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS)); SAY(how(root, "proc/self/status", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS)); SAY(how(root, "proc/self/status", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
  SAY(how(root, "proc/self/cwd", O_RDONLY, 0, RESOLVE_BENEATH)); SAY(how(root, "proc/self/cwd", O_RDONLY, 0, RESOLVE_IN_ROOT)); SAY(how(root, "proc/self/status", O_RDONLY, 0, RESOLVE_IN_ROOT)); SAY(how(root, "proc/self/cwd", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH));
  int proc = open("/proc", O_PATH);
  SAY(how(root, "proc", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(root, "proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(AT_FDCWD, "/", O_RDONLY, 0, RESOLVE_NO_XDEV));
  SAY(how(proc, "self/status", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(proc, "..", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(proc, "self/cwd", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(proc, "sys/..", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(root, "..", O_RDONLY, 0, RESOLVE_NO_XDEV)); SAY(how(proc, "/", O_RDONLY, 0, RESOLVE_NO_XDEV));
  close(root), close(proc);
}

static const char *const paths[] = {"f", "d", "d/g", "d/../f", "d/..", "..", "../f", "d/../../f", ".", "/", "/f", "/d/../../f", "l", "up", "up/f", "up/../f", "away", "away/d/g", "far", "far/f", "none", "d/none", "f/x", "loop", "dangling"};

static void scopes(void) {
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    // Where an absolute link is on another mount than its root depends on the host.
    printf("%-12s %s, beneath %s, in root %s, on one mount %s\n", paths[i], paths[i][0] == '/' ? "-" : result(walks(paths[i], 0)), result(walks(paths[i], RESOLVE_BENEATH)), result(walks(paths[i], RESOLVE_IN_ROOT)), strchr("/a", paths[i][0]) || !strncmp(paths[i], "far", 3) || !strcmp(paths[i], "dangling") ? "-" : result(walks(paths[i], RESOLVE_NO_XDEV)));
  SAY(how(in, "../n", O_CREAT | O_RDWR, 0600, RESOLVE_BENEATH)); SAY(how(in, "/../n", O_CREAT | O_RDWR, 0600, RESOLVE_IN_ROOT)); SAY(faccessat(in, "n", F_OK, 0)); SAY(how(in, "dangling", O_CREAT | O_RDWR, 0600, RESOLVE_IN_ROOT)); SAY(faccessat(in, "not", F_OK, 0));
  SAY(how(in, "..", O_TMPFILE | O_RDWR, 0600, RESOLVE_BENEATH)); SAY(how(in, "..", O_PATH, 0, RESOLVE_BENEATH)); SAY(how(999, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT)); SAY(how(999, "/f", O_RDONLY, 0, RESOLVE_BENEATH)); SAY(how(AT_FDCWD, "/in/f", O_RDONLY, 0, RESOLVE_IN_ROOT)); SAY(how(AT_FDCWD, "in/f", O_RDONLY, 0, RESOLVE_BENEATH));
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return how(AT_FDCWD, "/", O_RDONLY, 0, 0) < 0;
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  umask(0);
  SAY(chdir(argv[1])); SAY(mkdir("in", 0755)); SAY(mkdir("in/d", 0755)); SAY(close(creat("f", 0644))); SAY(close(creat("in/f", 0644))); SAY(close(creat("in/d/g", 0644)));
  in = open("in", O_PATH | O_DIRECTORY);
  SAY(symlinkat("f", in, "l")); SAY(symlinkat("..", in, "up")); SAY(symlinkat("/", in, "away")); SAY(symlinkat("/proc", in, "far")); SAY(symlinkat("loop", in, "loop")); SAY(symlinkat("/not", in, "dangling"));
  structure();
  links();
  scopes();
  unlinkat(in, "not", 0), unlinkat(in, "n", 0), unlinkat(in, "l", 0), unlinkat(in, "up", 0), unlinkat(in, "away", 0), unlinkat(in, "far", 0), unlinkat(in, "loop", 0), unlinkat(in, "dangling", 0), unlinkat(in, "d/g", 0), unlinkat(in, "d", AT_REMOVEDIR), unlinkat(in, "f", 0);
  SAY(rmdir("in")); SAY(unlink("f"));
  return 0;
}
