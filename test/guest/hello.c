#include <stdio.h>
int main(void) {
  printf("hello, %s: %d %.3f %e\n", "world", 42, 3.14159, 1.5e-7);
  return 7;
}
