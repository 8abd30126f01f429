// A bit of everything that a cut run could disturb: computing, output, sleeping, faults, threads, input.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
static void *other(void *p) {
  for (int i = 0; i < 20; i++) { struct timespec t = {0, 700 + i * 131}; nanosleep(&t, 0); printf("other %d\n", i); }
  return 0;
}
int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  pthread_t t;
  pthread_create(&t, 0, other, 0);
  double x = 1;
  for (int i = 0; i < 30; i++) {
    char *p = malloc(5000 + i * 777);
    memset(p, i, 5000 + i * 777);
    for (int j = 0; j < 200; j++) x = x * 1.0001 + p[j];
    printf("main %d %.6f\n", i, x);
    if (i % 3) free(p);
    if (i % 5 == 0) sched_yield();
    if (i % 7 == 0) usleep(3);
  }
  pthread_join(t, 0);
  char line[64];
  while (fgets(line, sizeof line, stdin)) printf("in %s", line);
  return 0;
}
