#include <stdio.h>
int main(void) {
  char line[256];
  int n = 0;
  setvbuf(stdout, 0, _IONBF, 0);
  printf("ready\n");
  while (fgets(line, sizeof line, stdin)) { n++; printf("got %s", line); }
  printf("end after %d\n", n);
  return n;
}
