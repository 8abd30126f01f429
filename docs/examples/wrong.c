// A submission to assignment.json that loses points: it reads byte by byte, and knows no sign.
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
  long sum = 0, number = 0;
  char byte;
  while (read(0, &byte, 1) == 1) {
    if (isdigit(byte)) {
      number = number * 10 + (byte - '0');
    } else {
      sum += number;
      number = 0;
    }
  }
  printf("%ld\n", sum);
  return 0;
}
