/* Threads on as many harts as there are: each where it is told to be, all with one lock and one counter. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 8, ROUNDS = 400 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long locked;
static atomic_long counted;
static atomic_int arrived;
static int harts;

static void check(int holds, const char *what)
{
    if (!holds) {
        printf("not so: %s\n", what);
        fflush(stdout);
        _exit(1);
    }
}

static void *work(void *number)
{
    int own = (int)(long)number;
    cpu_set_t set, now;
    CPU_ZERO(&set);
    CPU_SET(own, &set);
    check(sched_setaffinity(0, sizeof(set), &set) == 0, "a thread may choose its hart");
    check(sched_getcpu() == own, "and is there at once");
    check(sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&set, &now), "and is told so");
    /* Without other harts this would take a whole quantum for each. */
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < harts) {
    }
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&counted, 1);
        pthread_mutex_lock(&lock);
        locked++;
        pthread_mutex_unlock(&lock);
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    check(sched_getcpu() == own, "a thread stays where it is to be");
    return NULL;
}

int main(void)
{
    cpu_set_t all, none;
    pthread_t threads[MOST];
    CPU_ZERO(&none);
    check(sched_getaffinity(0, sizeof(all), &all) == 0, "there are harts");
    harts = CPU_COUNT(&all);
    check(harts == sysconf(_SC_NPROCESSORS_ONLN), "as many as the C library counts");
    check(sched_setaffinity(0, sizeof(none), &none) == -1, "nowhere is no place");
    check(sched_setaffinity(9999, sizeof(all), &all) == -1, "nor is anything for nobody");
    for (long i = 0; i < harts; i++) {
        check(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "threads can be made");
    }
    for (int i = 0; i < harts; i++) {
        pthread_join(threads[i], NULL);
    }
    check(locked == ROUNDS * harts && counted == ROUNDS * harts, "nothing is lost");
    printf("%d harts\n", harts);
    return 0;
}
