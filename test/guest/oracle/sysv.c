/* System V's objects. Others of this host may have some, too: no ids are shown, and processes go in turns by what they wait for. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

#define CHILD(body) do { fflush(stdout); pid_t child = fork(); if (child == 0) { body; fflush(stdout); _exit(0); } waitpid(child, 0, 0); } while (0)

static void shm_said(int id) {
  struct shmid_ds d = {0};
  if (shmctl(id, IPC_STAT, &d)) { printf("gone %s\n", strerrorname_np(errno)); return; }
  printf("segment of %zu mode %o, %lu attached, mine %d, last me %d, owner %d, times %d%d%d\n", d.shm_segsz, d.shm_perm.mode, (long)d.shm_nattch,
         d.shm_cpid == getpid(), d.shm_lpid == getpid(), d.shm_perm.uid == geteuid(), d.shm_atime > 0, d.shm_dtime > 0, d.shm_ctime > 0);
}

/* mremap(2) attaches once more, and detaches what goes: by whom it was done is told, too. */
static void remapped(void) {
  int id = shmget(IPC_PRIVATE, 4 * 4096, 0600), other = shmget(IPC_PRIVATE, 4096, 0600);
  char *a = shmat(id, 0, 0), *room = mmap(0, 16 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SAY(shmat(other, room, SHM_REMAP) == room);
  strcpy(a + 8192, "moved");
  CHILD(SAY(mremap(a, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room); shm_said(id); shm_said(other); SAY(strcmp(room + 8192, "moved")));
  SAY(mremap(a, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE, 0) == a); shm_said(id);
  SAY(mremap(a, 0, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, room + 8 * 4096) == room + 8 * 4096); shm_said(id);
  shmctl(other, IPC_RMID, 0);
  SAY(mremap(room + 8 * 4096, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room); shm_said(id); shm_said(other);
  CHILD(SAY(mremap(room, 4 * 4096, 4096, 0, 0) == room); shm_said(id));
  SAY(shmdt(a)); SAY(shmdt(room)); shm_said(id);
  SAY(shmctl(id, IPC_RMID, 0));
}

static void memory(void) {
  SAY(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600)); SAY(shmget(IPC_PRIVATE, -1, 0600)); SAY(shmget(0x7e570001, 100, 0600));
  int id = shmget(IPC_PRIVATE, 10000, 0640);
  shm_said(id);
  char *a = shmat(id, 0, 0), *b = shmat(id, 0, SHM_RDONLY);
  SAY(a != (void *)-1 && b != (void *)-1 && a != b);
  shm_said(id);
  strcpy(a + 9000, "both");
  SAY(strcmp(b + 9000, "both")); SAY(mprotect(b, 4096, PROT_READ | PROT_WRITE)); SAY(mprotect(a, 4096, PROT_READ)); SAY(mprotect(a, 4096, PROT_READ | PROT_WRITE));
  a[12000] = 1;
  SAY(shmat(id, a + 1, 0)); SAY(shmat(id, a, 0)); SAY(shmat(id, 0, SHM_REMAP)); SAY(shmat(id, a + 4097, SHM_RND)); SAY(shmdt(a + 1)); SAY(shmdt(a + 4096));
  SAY(shmat(id, a + 5, SHM_RND | SHM_REMAP) == a); SAY(shmat(-1, 0, 0)); SAY(shmat(id ^ (1 << 20), 0, 0));
  shm_said(id);
  CHILD(shm_said(id); strcpy(a + 100, "child"); SAY(shmdt(b)); shm_said(id));
  SAY(strcmp(b + 100, "child"));
  shm_said(id);
  munmap(a + 4096, 4096);
  shm_said(id);
  SAY(shmdt(a)); SAY(shmdt(a));
  shm_said(id);
  struct shmid_ds d;
  shmctl(id, IPC_STAT, &d);
  d.shm_perm.mode = 0777;
  SAY(shmctl(id, IPC_SET, &d)); SAY(shmctl(id, IPC_SET, 0)); SAY(shmctl(id, 99, &d)); SAY(shmctl(id, IPC_STAT, 0)); SAY(shmctl(-1, IPC_RMID, 0));
  SAY(shmctl(id, SHM_LOCK, 0)); shm_said(id); SAY(shmctl(id, SHM_UNLOCK, 0)); SAY(shmctl(id, IPC_RMID, 0));
  shm_said(id);
  char *again = shmat(id, 0, 0);
  SAY(strcmp(again + 100, "child")); SAY(shmctl(id, IPC_RMID, 0)); SAY(shmdt(again)); SAY(shmdt(b));
  shm_said(id);
  key_t key = 0x05710000 + (getpid() & 0xffff);
  id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0200);
  SAY(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600)); SAY(shmget(key, 4097, 0200)); SAY(shmget(key, 0, 0200) == id); SAY(shmget(key, 0, 0600)); SAY(shmat(id, 0, SHM_RDONLY)); SAY(shmctl(id, IPC_STAT, &d));
  SAY(shmctl(id, IPC_RMID, 0)); SAY(shmget(key, 4096, 0200));
}

union semun { int val; void *buf; unsigned short *array; };
static int set;
static struct sembuf op(int n, int change, int flags) { return (struct sembuf){n, change, flags}; }
static int one(int n, int change, int flags) { struct sembuf o = op(n, change, flags); return syscall(SYS_semop, set, &o, 1); }
static void sem_said(void) {
  unsigned short v[3];
  union semun u = {.array = v};
  if (semctl(set, 0, GETALL, u)) { printf("gone %s\n", strerrorname_np(errno)); return; }
  struct semid_ds d;
  u.buf = &d;
  semctl(set, 0, IPC_STAT, u);
  printf("values %d %d %d, waiting %d/%d %d/%d %d/%d, by me %d %d %d, of %lu used %d\n", v[0], v[1], v[2], semctl(set, 0, GETNCNT), semctl(set, 0, GETZCNT), semctl(set, 1, GETNCNT), semctl(set, 1, GETZCNT),
         semctl(set, 2, GETNCNT), semctl(set, 2, GETZCNT), semctl(set, 0, GETPID) == getpid(), semctl(set, 1, GETPID) == getpid(), semctl(set, 2, GETPID) == getpid(), (long)d.sem_nsems, d.sem_otime > 0);
  fflush(stdout);
}
static void until(int n, int what, int count) { while (semctl(set, n, what) != count) sched_yield(); }
static void nothing(int n) { (void)n; }

static void semaphores(void) {
  SAY(semget(IPC_PRIVATE, 0, 0600)); SAY(semget(IPC_PRIVATE, -1, 0600)); SAY(semget(IPC_PRIVATE, 100000, 0600)); SAY(semget(0x7e570002, 1, 0600));
  set = semget(IPC_PRIVATE, 3, 0600);
  union semun u;
  sem_said();
  SAY(one(0, 2, 0)); SAY(one(0, -3, IPC_NOWAIT)); SAY(one(3, 1, 0)); SAY(one(0, 0, IPC_NOWAIT)); SAY(one(1, 0, 0)); SAY(one(0, 32767, 0)); SAY(semop(set, 0, 0)); SAY(semop(set, (void *)8, 1)); SAY(semop(-1, (void *)8, 1));
  struct sembuf many[501] = {0};
  SAY(semop(set, many, 501)); many[0].sem_flg = IPC_NOWAIT; SAY(semop(set, many, 1));
  struct sembuf both[] = {op(0, -1, 0), op(1, -1, IPC_NOWAIT)};
  SAY(semop(set, both, 2));
  sem_said();
  struct sembuf up_down[] = {op(1, 1, 0), op(1, -1, 0), op(1, 0, 0), op(2, 5, 0)};
  SAY(semop(set, up_down, 4));
  sem_said();
  u.val = 32768; SAY(semctl(set, 0, SETVAL, u)); u.val = -1; SAY(semctl(set, 0, SETVAL, u)); u.val = 1; SAY(semctl(set, 3, SETVAL, u)); SAY(semctl(set, 0, SETVAL, u)); SAY(semctl(set, 5, GETVAL)); SAY(semctl(set, 0, 77));
  struct timespec soon = {0, 1000000}, never = {0, 0}, bad = {0, -1};
  struct sembuf take = op(0, -5, 0);
  SAY(semtimedop(set, &take, 1, &soon)); SAY(semtimedop(set, &take, 1, &never)); SAY(semtimedop(set, &take, 1, &bad)); SAY(semtimedop(set, &take, 1, (void *)8));
  struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  ualarm(20000, 20000); /* Again and again: the first may come before the call. */
  SAY(one(0, -9, 0));
  ualarm(0, 0);
  CHILD(SAY(one(0, -1, SEM_UNDO)); SAY(one(1, 4, SEM_UNDO)); SAY(one(2, -2, SEM_UNDO)); sem_said(); u.val = 9; SAY(semctl(set, 2, SETVAL, u)); CHILD(sem_said()));
  sem_said();
  /* Who waits gets what it waits for in the order of coming, as soon as all of it can be had. */
  fflush(stdout);
  unsigned short zero[3] = {0};
  u.array = zero; SAY(semctl(set, 0, SETALL, u));
  pid_t first = fork();
  if (first == 0) { struct sembuf w[] = {op(0, -2, 0), op(1, -1, 0)}; semop(set, w, 2); sem_said(); one(2, 1, 0); _exit(1); }
  until(0, GETNCNT, 1);
  pid_t second = fork();
  if (second == 0) { one(0, -1, 0); _exit(2); }
  until(0, GETNCNT, 2);
  sem_said();
  SAY(one(0, 1, 0));
  waitpid(second, 0, 0);
  sem_said(); SAY(one(0, 2, 0)); sem_said();
  one(1, 1, 0);
  waitpid(first, 0, 0);
  SAY(one(2, -1, IPC_NOWAIT));
  sem_said();
  pid_t zeros = fork();
  if (zeros == 0) { one(2, 5, 0); one(2, 0, 0); int e = 0; if (one(0, -7, 0)) e = errno; printf("removed %s\n", strerrorname_np(e)); fflush(stdout); _exit(0); }
  until(2, GETZCNT, 1);
  sem_said(); SAY(one(2, -5, 0));
  until(0, GETNCNT, 1);
  int removed = semctl(set, 0, IPC_RMID);
  waitpid(zeros, 0, 0);
  SAY(removed);
  sem_said(); SAY(one(0, 1, 0)); SAY(semctl(set, 0, IPC_RMID));
  set = semget(IPC_PRIVATE, 1, 0400);
  SAY(one(0, 1, 0)); SAY(one(0, 0, 0)); SAY(semctl(set, 0, GETVAL)); u.val = 1; SAY(semctl(set, 0, SETVAL, u)); SAY(semctl(set, 0, IPC_RMID));
}

static struct { long type; char text[9000]; } m;
static int queue;
static int put(long type, const char *text, int flags) { m.type = type; strcpy(m.text, text); return msgsnd(queue, &m, strlen(text), flags); }
static void got(size_t room, long type, int flags) {
  memset(&m, 0, sizeof m);
  int n = msgrcv(queue, &m, room, type, flags);
  if (n < 0) printf("got %s\n", strerrorname_np(errno));
  else printf("got %d of type %ld: %.*s\n", n, m.type, n, m.text);
  fflush(stdout);
}
static void queue_said(void) {
  struct msqid_ds d;
  if (msgctl(queue, IPC_STAT, &d)) { printf("gone %s\n", strerrorname_np(errno)); return; }
  printf("queue of %lu messages, %lu bytes of %lu, mode %o, last mine %d %d, times %d%d%d\n", (long)d.msg_qnum, (long)d.__msg_cbytes, (long)d.msg_qbytes, d.msg_perm.mode, d.msg_lspid == getpid(), d.msg_lrpid == getpid(), d.msg_stime > 0, d.msg_rtime > 0, d.msg_ctime > 0);
  fflush(stdout);
}

static void messages(void) {
  SAY(msgget(0x7e570003, 0600));
  queue = msgget(IPC_PRIVATE, 0600);
  queue_said();
  SAY(put(0, "x", 0)); SAY(put(-1, "x", 0)); SAY(msgsnd(queue, &m, 8193, 0)); SAY(msgsnd(queue, &m, -1, 0)); SAY(msgsnd(queue, (void *)8, 1, 0)); SAY(msgsnd(-1, &m, 1, 0));
  got(10, 0, IPC_NOWAIT);
  SAY(put(3, "three", 0)); SAY(put(1, "one", 0)); SAY(put(2, "two", 0)); SAY(put(1, "another", 0)); SAY(put(7, "", 0)); SAY(put(2, "second of two", 0));
  queue_said();
  got(100, 2, MSG_COPY | IPC_NOWAIT); got(100, 9, MSG_COPY | IPC_NOWAIT); got(100, 0, MSG_COPY); got(100, 1, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT); got(2, 0, MSG_COPY | IPC_NOWAIT);
  got(3, 0, 0); got(3, 0, MSG_NOERROR); got(100, -2, 0); got(100, -2, 0); got(100, 2, MSG_EXCEPT); got(100, 5, IPC_NOWAIT); got(100, 2, 0); got(100, -9223372036854775807L - 1, 0); got(100, 0, IPC_NOWAIT);
  SAY(msgrcv(queue, &m, -1, 0, 0)); SAY(msgrcv(-1, &m, 1, 0, 0));
  queue_said();
  memset(m.text, 'a', 8192); m.type = 1;
  SAY(msgsnd(queue, &m, 8192, 0)); SAY(msgsnd(queue, &m, 8192, IPC_NOWAIT)); SAY(msgsnd(queue, &m, 1, IPC_NOWAIT)); SAY(msgsnd(queue, &m, 0, IPC_NOWAIT));
  queue_said();
  ualarm(20000, 20000);
  SAY(msgsnd(queue, &m, 1, 0));
  ualarm(0, 0);
  fflush(stdout);
  /* It may wait or not: its message comes behind the others, and the last call finds the queue gone, before it waits or then. */
  pid_t child = fork();
  if (child == 0) { put(5, "from the child", 0); got(100, 6, 0); SAY(msgrcv(queue, &m, 100, 6, 0) == -1 && (errno == EIDRM || errno == EINVAL)); fflush(stdout); _exit(0); }
  for (int i = 0; i < 3; i++) { int n = msgrcv(queue, &m, 8192, -1, 0); printf("took %d\n", n); }
  got(100, 5, 0);
  int sent = put(6, "to the child", 0);
  struct msqid_ds d;
  do { msgctl(queue, IPC_STAT, &d); sched_yield(); } while (d.msg_qnum || d.msg_lrpid != child);
  int removed = msgctl(queue, IPC_RMID, 0);
  waitpid(child, 0, 0);
  SAY(sent); SAY(removed);
  queue_said();
  queue = msgget(IPC_PRIVATE, 0200);
  got(1, 0, IPC_NOWAIT); SAY(put(1, "x", 0)); SAY(msgctl(queue, IPC_STAT, &d));
  memset(&d, 0, sizeof d); d.msg_perm.uid = geteuid(); d.msg_perm.gid = getegid(); d.msg_perm.mode = 0666; d.msg_qbytes = 1 << 20;
  SAY(msgctl(queue, IPC_SET, &d)); d.msg_qbytes = 1; SAY(msgctl(queue, IPC_SET, &d)); queue_said(); SAY(put(1, "", IPC_NOWAIT)); got(1, 0, 0); ualarm(20000, 20000); got(1, 0, 0); ualarm(0, 0); SAY(msgctl(queue, IPC_RMID, 0));
}

int main(void) {
  memory();
  remapped();
  semaphores();
  messages();
  return 0;
}
