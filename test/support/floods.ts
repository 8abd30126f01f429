/** Programs and clients that take all they can get of one thing, for as long as they are left alone. */
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { newId } from "../../api/hosting/ids.ts";
import { catalogue, decodeRecords, maskOf } from "../../kernel/trace/index.ts";
import { compileC, sources } from "./guest.ts";
import { eventually, NEIGHBOUR, OWNER, pause, resume, startOf, type TestHosting } from "./hosting.ts";

/** Programs. */
export const floods = {
  "an endless loop": `int main(void) { for (volatile long i = 0;; i++) ; }`,
  "a fork bomb": `#include <unistd.h>
int main(void) { for (;;) fork(); }`,
  "a memory hog": `#include <stdlib.h>
int main(int argc, char **argv) { size_t n = 40 << 20; char *p = malloc(n);
  for (unsigned round = 1;; round++) for (size_t i = 0; i < n; i += 4096) p[i] = round; }`,
  "a console flood": `#include <string.h>
#include <unistd.h>
int main(void) { static char block[65536]; memset(block, 'x', sizeof block); for (;;) write(1, block, sizeof block); }`,
  "many small calls": `#include <sys/syscall.h>
#include <unistd.h>
int main(void) { for (;;) syscall(SYS_getppid); }`,
  "timers whose signals nobody takes": `#include <signal.h>
#include <time.h>
#include <unistd.h>
int main(void) { signal(SIGUSR1, SIG_IGN);
  struct sigevent event = {0}; event.sigev_notify = SIGEV_SIGNAL; event.sigev_signo = SIGUSR1;
  struct itimerspec often = {{0, 1}, {0, 1}}; timer_t timer;
  for (int i = 0; i < 100; i++) { timer_create(CLOCK_MONOTONIC, &event, &timer); timer_settime(timer, 0, &often, 0); }
  for (;;) pause(); }`,
  "timers whose signals are taken": `#include <signal.h>
#include <time.h>
#include <unistd.h>
static void taken(int number) { (void)number; }
int main(void) { signal(SIGUSR1, taken);
  struct sigevent event = {0}; event.sigev_notify = SIGEV_SIGNAL; event.sigev_signo = SIGUSR1;
  struct itimerspec often = {{0, 1}, {0, 1}}; timer_t timer;
  for (int i = 0; i < 100; i++) { timer_create(CLOCK_MONOTONIC, &event, &timer); timer_settime(timer, 0, &often, 0); }
  for (;;) pause(); }`,
  "timers of processor time": `#include <signal.h>
#include <sys/time.h>
int main(void) { signal(SIGVTALRM, SIG_IGN); signal(SIGPROF, SIG_IGN);
  struct itimerval often = {{0, 1}, {0, 1}}; setitimer(ITIMER_VIRTUAL, &often, 0); setitimer(ITIMER_PROF, &often, 0);
  for (volatile long i = 0;; i++) ; }`,
  "timer descriptors that nobody reads": `#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
int main(void) { int set = epoll_create1(0);
  struct itimerspec often = {{0, 1}, {0, 1}};
  for (int i = 0; i < 100; i++) { int fd = timerfd_create(CLOCK_MONOTONIC, 0); timerfd_settime(fd, 0, &often, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET}; epoll_ctl(set, EPOLL_CTL_ADD, fd, &event); }
  for (;;) { struct epoll_event events[8]; epoll_wait(set, events, 8, -1); } }`,
  "sleeps of a nanosecond": `#include <time.h>
int main(void) { struct timespec least = {0, 1}; for (;;) nanosleep(&least, 0); }`,
} as const;

export type Flood = keyof typeof floods;

/** What a client does to the machine of a program, as fast as it is let; ends when `isOver` says so. */
type Pest = (bench: TestHosting, machineId: string, isOver: () => boolean) => Promise<void>;

const EVERYTHING = maskOf([]);
const named = (id: string) => ({ id, displayName: "", labels: {}, kind: "user" as const });

async function follow(bench: TestHosting, machineId: string, isOver: () => boolean, reads: boolean): Promise<void> {
  const machine = await bench.hosting.use(machineId);
  const { subscription } = await machine.subscribe(EVERYTHING);
  const over = new AbortController();
  const watch = setInterval(() => isOver() && over.abort(), 20);
  while (reads && !isOver())
    for (const item of await subscription.take(over.signal))
      if (item.kind === "records") decodeRecords(item.bytes as Uint8Array<ArrayBuffer>, catalogue);
  if (!reads) await eventually(isOver);
  clearInterval(watch);
  await machine.unsubscribe(subscription);
}

async function forkOnce({ hosting, store }: TestHosting, machineId: string): Promise<void> {
  const snapshot = await hosting.snapshot(machineId, named(newId("s")));
  const origin = (await store.machines.get(machineId))!;
  const status = { ...origin.status, run: "paused" as const, consoleLength: snapshot.consoleLength };
  const { sequence: lastSequence, at: reached, traceSequence } = snapshot;
  const fork = { lastSequence, reached, originSnapshotId: snapshot.id, status: { ...status, traceSequence } };
  const { id } = await store.machines.create({ ...origin, ...fork, id: newId("m") });
  await hosting.use(id);
  await hosting.delete(id);
}

/** By what they take, the program that runs and what clients do besides. */
export const pests: Record<string, { program: Flood; pest: Pest }> = {
  "snapshots without end": {
    program: "an endless loop",
    async pest({ hosting }, machineId, isOver) {
      while (!isOver()) await hosting.snapshot(machineId, named(newId("s")));
    },
  },
  "snapshots of a memory hog": {
    program: "a memory hog",
    async pest({ hosting }, machineId, isOver) {
      while (!isOver()) await hosting.snapshot(machineId, named(newId("s")));
    },
  },
  "forks without end": {
    program: "an endless loop",
    async pest(bench, machineId, isOver) {
      const one = async () => {
        while (!isOver()) await forkOnce(bench, machineId);
      };
      await Promise.all([one(), one(), one()]);
    },
  },
  "a trace of everything, read": {
    program: "many small calls",
    pest: (bench, machineId, isOver) => follow(bench, machineId, isOver, true),
  },
  "a trace of everything that nobody reads": {
    program: "many small calls",
    pest: (bench, machineId, isOver) => follow(bench, machineId, isOver, false),
  },
};

export interface Beside {
  modest: HostedMachine;
  flood: HostedMachine;
  /** Floods until `isOver`. */
  during(isOver: () => boolean): Promise<void>;
  /** Both stand still again. */
  end(): Promise<void>;
}

/** Somebody's flood and a well-behaved machine of somebody else's, both running. */
export async function startBeside(bench: TestHosting, name: string): Promise<Beside> {
  const { program, pest } = pests[name] ?? { program: name as Flood, pest: (_, __, isOver) => eventually(isOver) };
  const start = async (source: string, owner: string) => {
    const { id } = await bench.machine({ "/bin/program": compileC(source) }, owner);
    const machine = await bench.hosting.use(id);
    await machine.apply(startOf("/bin/program"));
    await machine.apply(resume);
    return machine;
  };
  const flood = await start(floods[program], NEIGHBOUR);
  const modest = await start(sources.count, OWNER);
  return {
    modest,
    flood,
    during: (isOver) => pest(bench, flood.id, isOver),
    async end() {
      for (const machine of [modest, flood]) await machine.apply(pause);
    },
  };
}
