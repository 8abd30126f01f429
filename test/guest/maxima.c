/* Makes as many of a kind as there can be, and then does what is to cost the same however many there are. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

static void fork_often(int times) {
  for (int i = 0; i < times; i++) {
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child == 0) _exit(0);
    expect(waitpid(child, 0, 0) == child, "waitpid");
  }
}

/* Segments, each attached, and taken away while it is: they go with their memory. */
static void segments(void) {
  enum { count = 2048 };
  int last = -1;
  for (int i = 0; i < count; i++) {
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    expect(id >= 0, "shmget");
    expect(shmat(id, 0, 0) != (void *)-1, "shmat");
    if (i % 2) expect(shmctl(id, IPC_RMID, 0) == 0, "IPC_RMID");
    else last = id;
  }
  fork_often(10);
  struct shmid_ds told;
  for (int i = 0; i < 1000; i++) expect(shmctl(last, IPC_STAT, &told) == 0 && told.shm_nattch == 1, "IPC_STAT");
}

int main(int argc, char **argv) {
  expect(argc == 2, "usage");
  if (strcmp(argv[1], "segments") == 0) segments();
  else expect(0, argv[1]);
  puts("done");
  return 0;
}
