/* Files without a name in memory, and what is sealed of them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC 16u
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
static char text[5000];

static int make(const char *name, unsigned flags) { return syscall(SYS_memfd_create, name, flags); }
static void *map(int fd, int protection, int flags) { void *at = mmap(0, 4096, protection, flags, fd, 0); return at == MAP_FAILED ? 0 : at; }
static void tell(int fd) {
  struct stat s;
  char link[300] = "", path[40];
  fstat(fd, &s);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  SAY(readlink(path, link, sizeof link - 1));
  printf("%s mode %o links %d size %ld access %d seals %x\n", link, s.st_mode, (int)s.st_nlink, (long)s.st_size, fcntl(fd, F_GETFL) & 3, fcntl(fd, F_GET_SEALS));
}
static void names(void) {
  memset(text, 'n', 249);
  SAY(close(make("", 0))); SAY(close(make(text, 0))); text[249] = 'n'; SAY(make(text, 0)); memset(text, 'n', sizeof text - 1); SAY(make(text, 0)); SAY(make((char *)8, 0)); SAY(make("x", 0x20)); SAY(make("x", MFD_EXEC | MFD_NOEXEC_SEAL));
  int fd = make("a/b c", MFD_CLOEXEC);
  tell(fd); SAY(fcntl(fd, F_GETFD)); SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)); SAY(close(fd));
}
static void content(void) {
  int fd = make("content", MFD_ALLOW_SEALING), again, read_only;
  char path[40], *at, got[8] = "";
  SAY(write(fd, "hello", 5)); SAY(ftruncate(fd, 10000)); SAY(pread(fd, got, 5, 0)); puts(got); SAY(lseek(fd, 0, SEEK_END)); tell(fd);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  again = open(path, O_RDWR); read_only = open(path, O_RDONLY);
  SAY(pwrite(again, "J", 1, 0)); SAY(pread(read_only, got, 5, 0)); puts(got); tell(again); SAY(fcntl(read_only, F_ADD_SEALS, F_SEAL_GROW)); SAY(fcntl(read_only, F_GET_SEALS));
  at = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED); at[1] = 'E'; SAY(pread(fd, got, 5, 0)); puts(got);
  SAY(map(fd, PROT_READ, MAP_SHARED_VALIDATE) != 0); SAY(map(fd, PROT_READ, MAP_SHARED_VALIDATE | MAP_NORESERVE | MAP_DENYWRITE | MAP_EXECUTABLE) != 0); SAY(map(fd, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC) != 0); SAY(map(fd, PROT_READ, MAP_SHARED_VALIDATE | 0x800000) != 0); SAY(map(fd, PROT_READ, MAP_SHARED | 0x800000) != 0); SAY(map(-1, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS) != 0);
  SAY(map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN) != 0); SAY(map(open("/dev/zero", O_RDWR), PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN) != 0);
  close(fd); close(again); close(read_only);
  puts(at); SAY(munmap(at, 4096));
}
static void sizes(void) {
  int fd = make("sizes", MFD_ALLOW_SEALING);
  ftruncate(fd, 5000);
  SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)); SAY(ftruncate(fd, 5001)); SAY(ftruncate(fd, 4500)); SAY(ftruncate(fd, 4501)); SAY(pwrite(fd, "x", 1, 4499)); SAY(pwrite(fd, "x", 1, 4500)); SAY(pwrite(fd, "xy", 2, 4499)); SAY(fallocate(fd, 0, 0, 4500)); SAY(fallocate(fd, 0, 0, 4501)); SAY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 9000));
  SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)); SAY(ftruncate(fd, 4499)); SAY(ftruncate(fd, 4500)); SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)); SAY(fcntl(fd, F_GET_SEALS));
  SAY(fcntl(fd, F_ADD_SEALS, 0x40)); SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)); SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); SAY(fcntl(fd, F_GET_SEALS));
  close(fd);
}
static void writing(void) {
  int fd = make("writing", MFD_ALLOW_SEALING);
  ftruncate(fd, 4096);
  char *at = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
  SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)); at[0] = 'w'; SAY(madvise(at, 4096, MADV_REMOVE)); SAY(at[0]); SAY(write(fd, "x", 1)); SAY(map(fd, PROT_READ | PROT_WRITE, MAP_SHARED) != 0); SAY(map(fd, PROT_READ, MAP_SHARED) != 0); SAY(map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE) != 0);
  SAY(munmap(at, 4096)); SAY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); SAY(fcntl(fd, F_GET_SEALS)); SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)); SAY(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096) < 0); SAY(ftruncate(fd, 100));
  at = map(fd, PROT_READ, MAP_PRIVATE); SAY(at[0]); SAY(mprotect(at, 4096, PROT_READ | PROT_WRITE)); at[0] = 'p'; SAY(pread(fd, text, 1, 0)); SAY(text[0]);
  close(fd);
}
static void programs(void) {
  int fd = make("program", MFD_NOEXEC_SEAL), other = make("other", MFD_ALLOW_SEALING | MFD_EXEC);
  tell(fd); SAY(fchmod(fd, 0777)); SAY(fchmod(fd, 0600)); SAY(write(fd, "x", 1));
  tell(other); SAY(fcntl(other, F_ADD_SEALS, F_SEAL_EXEC)); tell(other); SAY(fchmod(other, 0644)); SAY(fchmod(other, 0711)); SAY(write(other, "x", 1));
  close(fd); close(other);
}
static void others(void) {
  int ends[2];
  pipe(ends);
  SAY(fcntl(ends[1], F_GET_SEALS)); SAY(fcntl(ends[1], F_ADD_SEALS, 0)); SAY(fcntl(ends[0], F_ADD_SEALS, 0));
  int fd = make("kept", 0), status;
  write(fd, "#!/nothing\n", 11);
  SAY(linkat(fd, "", AT_FDCWD, "/tmp/linked", AT_EMPTY_PATH) < 0);
  pid_t child = fork();
  if (!child) { SAY(pwrite(fd, "child", 5, 0)); _exit(0); }
  waitpid(child, &status, 0);
  SAY(pread(fd, text, 5, 0)); text[5] = 0; puts(text);
}
/* Older ones know no seal for programs, or show nothing in common of what is sealed. */
static int is_older(void) {
  int fd = make("", MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  return fd < 0 || ftruncate(fd, 4096) || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) || !map(fd, PROT_READ, MAP_SHARED);
}
int main(int argc, char **argv) {
  if (argc > 1) return is_older();
  names(); content(); sizes(); writing(); programs(); others();
  return 0;
}
