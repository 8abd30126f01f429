// A solution of assignment.json that passes every test.
#include <stdio.h>

int main(void) {
  long sum = 0, number;
  int found;
  while ((found = scanf("%ld", &number)) == 1) sum += number;
  if (found == 0) {
    puts("not a number");
    return 1;
  }
  printf("%ld\n", sum);
  return 0;
}
