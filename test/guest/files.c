#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sys/ioctl.h>
#define SAY(e) printf("%s = %s\n", #e, (e) < 0 ? strerrorname_np(errno) : "ok")
int main(int argc, char **argv) {
  FILE *f = fopen("/data/file.txt", "r");
  if (!f) return 1;
  char line[200];
  while (fgets(line, sizeof line, f)) printf("line %s", line);
  fclose(f);
  int fd = open("/data/../data/./file.txt", O_RDONLY);
  struct stat s;
  fstat(fd, &s);
  printf("size %ld mode %o\n", (long)s.st_size, s.st_mode);
  lseek(fd, -5, SEEK_END);
  int n = read(fd, line, 100);
  printf("tail %d %.*s", n, n, line);
  n = pread(fd, line, 5, 0);
  printf("head %d %.*s\n", n, n, line);
  char *m = mmap(0, s.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  printf("mapped %.5s\n", m);
  m[0] = 'X';
  printf("private %.5s\n", m);
  n = pread(fd, line, 5, 0);
  printf("file still %.*s\n", n, line);
  int d = dup(fd), e = fcntl(fd, F_DUPFD_CLOEXEC, 20);
  printf("dup %d %d cloexec %d\n", d, e, fcntl(e, F_GETFD));
  close(fd);
  lseek(d, 0, SEEK_SET);
  printf("still open %d\n", (int)read(e, line, 5));
  SAY(open("/nowhere", O_RDONLY));
  SAY(open("/nowhere", O_CREAT | O_WRONLY, 0644));
  SAY(open("/data/file.txt", O_RDWR));
  SAY(open("/data/file.txt/x", O_RDONLY));
  SAY(open("/data", O_WRONLY));
  SAY(close(99));
  SAY(read(99, line, 1));
  SAY(lseek(1, 0, SEEK_SET));
  SAY(stat("/data", &s));
  printf("dir %d\n", S_ISDIR(s.st_mode));
  struct winsize w;
  SAY(ioctl(d, TIOCGWINSZ, &w));
  SAY(ioctl(1, TIOCGWINSZ, &w));
  printf("tty %d %d, %dx%d\n", isatty(1), isatty(d), w.ws_col, w.ws_row);
  n = readlink("/proc/self/exe", line, sizeof line);
  printf("exe %.*s\n", n, line);
  printf("cwd %s\n", getcwd(line, sizeof line));
  SAY(access("/data/file.txt", R_OK));
  SAY(access("/data/file.txt", W_OK));
  return 0;
}
