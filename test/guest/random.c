#include <stdio.h>
#include <sys/random.h>
int main(void) {
  unsigned char b[24];
  if (getrandom(b, sizeof b, 0) != sizeof b) return 1;
  for (int i = 0; i < 24; i++) printf("%02x", b[i]);
  printf("\n");
  return 0;
}
