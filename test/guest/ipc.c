/* System V's objects where only root can look: name spaces of them, what /proc lists, and owners. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "oracle/say.h"

static void show(const char *path) {
  char text[4096];
  int fd = open(path, O_RDONLY), n = read(fd, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  /* Without the times, which begin in the last columns. */
  for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
    char key[20], id[20], mode[20], size[20];
    sscanf(line, "%19s %19s %19s %19s", key, id, mode, size);
    printf("%s: %s %s %s %s\n", path, key, id, mode, size);
  }
  close(fd);
  fflush(stdout);
}
static void show_all(void) { show("/proc/sysvipc/shm"); show("/proc/sysvipc/sem"); show("/proc/sysvipc/msg"); }
static void knob(const char *path) {
  char text[200];
  int fd = open(path, O_RDONLY), n = read(fd, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  printf("%s %s", path, text);
  close(fd);
}

int main(void) {
  struct shmid_ds shm;
  struct msqid_ds msg;
  char c;
  int p[2];
  knob("/proc/sys/kernel/sem"); knob("/proc/sys/kernel/msgmax"); knob("/proc/sys/kernel/shmmni");
  int memory = shmget(77, 5000, IPC_CREAT | 0600), set = semget(78, 2, IPC_CREAT | 0640), queue = msgget(79, IPC_CREAT | 0666);
  char *at = shmat(memory, 0, 0);
  strcpy(at, "first");
  struct { long type; char text[8]; } m = {4, "message"};
  SAY(msgsnd(queue, &m, 8, 0));
  SAY(syscall(SYS_clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0));
  show_all();
  fflush(stdout);
  pipe(p);
  if (fork() == 0) {
    int outer = open("/proc/self/ns/ipc", O_RDONLY);
    SAY(semop(set, &(struct sembuf){0, 3, SEM_UNDO}, 1)); SAY(unshare(CLONE_NEWIPC));
    SAY(shmget(77, 0, 0)); SAY(semctl(set, 0, GETVAL)); SAY(msgctl(queue, IPC_STAT, &msg));
    printf("still %s\n", at);
    int mine = shmget(77, 4096, IPC_CREAT | 0600);
    char *own = shmat(mine, 0, 0);
    strcpy(own, "second");
    semget(IPC_PRIVATE, 7, 0600); msgget(IPC_PRIVATE, 0600);
    show_all();
    SAY(setns(outer, CLONE_NEWIPC)); SAY(semctl(set, 0, GETVAL));
    printf("attached %s\n", own);
    SAY(shmdt(own)); SAY(shmget(77, 0, 0) == memory); SAY(shmctl(memory, IPC_STAT, &shm)); printf("attached %lu\n", (long)shm.shm_nattch);
    /* Whoever waits in a name space that ends has ended with it: nothing is left of either. */
    SAY(unshare(CLONE_NEWIPC));
    int other = semget(1, 1, IPC_CREAT | 0600);
    pid_t waiting = fork();
    if (waiting == 0) { semop(other, &(struct sembuf){0, -1, 0}, 1); _exit(1); }
    while (semctl(other, 0, GETNCNT) != 1) sched_yield();
    int status;
    kill(waiting, 9); waitpid(waiting, &status, 0);
    SAY(status); SAY(semctl(other, 0, GETNCNT));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  SAY(seteuid(1000)); SAY(shmctl(memory, IPC_RMID, 0)); SAY(shmctl(memory, IPC_STAT, &shm)); SAY(semctl(set, 0, GETVAL)); SAY(msgctl(queue, IPC_STAT, &msg));
  msg.msg_qbytes = 20000;
  SAY(msgctl(queue, IPC_SET, &msg)); SAY(semop(set, &(struct sembuf){0, 1, 0}, 1)); SAY(seteuid(0));
  SAY(msgctl(queue, IPC_SET, &msg)); SAY(shmctl(memory, IPC_STAT, &shm));
  shm.shm_perm.uid = 1000;
  SAY(shmctl(memory, IPC_SET, &shm)); SAY(seteuid(1000)); SAY(shmctl(memory, IPC_RMID, 0)); SAY(seteuid(0));
  show_all();
  printf("kept %s\n", at);
  SAY(shmdt(at));
  show("/proc/sysvipc/shm");
  return 0;
}
