/* Who gets the processor: what is left of a thread's time slice, and who goes on when a thread waits for an answer. */
#include "common.h"

#include <time.h>

static volatile long calls, spins, wakes;
static seL4_CPtr notification, endpoint;

/* The first thread sleeps, and all others have the processor to themselves for this long. */
static void let_pass(long microseconds)
{
    struct timespec time = {0, microseconds * 1000};
    check(nanosleep(&time, NULL) == 0);
}

static void stop(struct thread *thread)
{
    fine(seL4_TCB_Suspend(thread->tcb));
}

static void signalling(void *nothing __attribute__((unused)))
{
    for (;;) {
        calls++;
        seL4_Signal(notification);
    }
}

static void waiting(void *nothing __attribute__((unused)))
{
    for (;;) {
        seL4_Wait(notification, NULL);
        wakes++;
    }
}

static void spinning(void *nothing __attribute__((unused)))
{
    for (;;) {
        spins++;
    }
}

static void serving(void *nothing __attribute__((unused)))
{
    seL4_Recv(endpoint, NULL);
    for (;;) {
        seL4_ReplyRecv(endpoint, seL4_MessageInfo_new(0, 0, 0, 0), NULL);
    }
}

static void calling(void *nothing __attribute__((unused)))
{
    for (;;) {
        calls++;
        seL4_Call(endpoint, seL4_MessageInfo_new(0, 0, 0, 0));
    }
}

/* Being driven away by a more important thread costs a thread nothing of its turn, and gains it none. */
static void slices(void)
{
    notification = take(seL4_NotificationObject, 0);
    struct thread *high = thread_start(200, waiting, NULL);
    struct thread *signals = thread_start(100, signalling, NULL);
    struct thread *spins_on = thread_start(100, spinning, NULL);
    let_pass(5000);
    check(wakes > 1000);
    check(spins > calls);
    stop(high);
    stop(signals);
    stop(spins_on);
    ok("time slices");
}

/* The server answers in its client's turn, and the client goes on in it. */
static void answers(seL4_Word priority)
{
    calls = spins = 0;
    endpoint = take(seL4_EndpointObject, 0);
    struct thread *server = thread_start(priority, serving, NULL);
    struct thread *client = thread_start(100, calling, NULL);
    struct thread *spins_on = thread_start(100, spinning, NULL);
    let_pass(5000);
    check(calls > 5000);
    check(spins > 100000);
    stop(server);
    stop(client);
    stop(spins_on);
}

static volatile char order[16];
static volatile int length;

static void naming(void *argument)
{
    order[length++] = *(char *)argument;
}

static void serving_once(void *nothing __attribute__((unused)))
{
    seL4_Recv(endpoint, NULL);
    order[length++] = 's';
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
}

static void calling_once(void *nothing __attribute__((unused)))
{
    order[length++] = 'c';
    seL4_Call(endpoint, seL4_MessageInfo_new(0, 0, 0, 0));
    order[length++] = 'd';
}

static void switches(void)
{
    endpoint = take(seL4_EndpointObject, 0);
    thread_start(100, serving_once, NULL);
    let_others_run();
    /* The other one is ready before the server is, and as important; the call goes to the server all the same. */
    thread_start(100, calling_once, NULL);
    thread_start(100, naming, "o");
    let_others_run();
    check(strcmp((const char *)order, "csod") == 0 || strcmp((const char *)order, "csdo") == 0);
    ok("direct switches");
}

int main(void)
{
    slices();
    answers(200);
    ok("calls to a more important server");
    answers(100);
    ok("calls to a server as important");
    switches();
    return 0;
}
