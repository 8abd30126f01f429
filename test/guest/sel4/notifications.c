/* Notifications: words of bits that wait to be taken, threads that wait for them, and binding to a thread. */
#include "common.h"

static seL4_CPtr notification, one, two;

static seL4_Word poll(void)
{
    seL4_Word badge = 99;
    seL4_Poll(notification, &badge);
    return badge;
}

static void badges(void)
{
    equal(poll(), 0);
    seL4_Signal(one);
    equal(poll(), 1);
    equal(poll(), 0);
    seL4_Signal(one);
    seL4_Signal(two);
    seL4_Signal(one);
    equal(poll(), 3);
    seL4_Signal(two);
    seL4_Word badge;
    seL4_Wait(notification, &badge);
    equal(badge, 2);
    /* A message to a notification is a signal, whatever else it says. */
    seL4_SetMR(0, 5);
    seL4_NBSend(one, seL4_MessageInfo_new(7, 0, 0, 1));
    equal(poll(), 1);
    /* Without a badge there is nothing to tell, but a waiting thread would wake. */
    seL4_Signal(notification);
    seL4_Wait(notification, &badge);
    equal(badge, 0);
    ok("badges");
}

static volatile seL4_Word got[4];
static volatile int count;

static void waiting(void *argument)
{
    seL4_Word badge;
    seL4_Wait(notification, &badge);
    got[count++] = (seL4_Word)argument << 8 | badge;
}

static void waiters(void)
{
    thread_start(10, waiting, (void *)1);
    let_others_run();
    thread_start(9, waiting, (void *)2); /* runs after the other when both wake */
    let_others_run();
    equal(count, 0);
    seL4_Signal(one); /* the first that came */
    seL4_Signal(two);
    seL4_Signal(two); /* nobody is left for this */
    let_others_run();
    equal(count, 2);
    equal(got[0], 0x101);
    equal(got[1], 0x202);
    equal(poll(), 2);
    ok("waiters");
}

static seL4_CPtr endpoint;

static void signalling(void *argument)
{
    seL4_Signal((seL4_CPtr)argument);
}

static void calling(void *argument)
{
    seL4_SetMR(0, 1234);
    seL4_Send(endpoint, seL4_MessageInfo_new(5, 0, 0, 1));
    (void)argument;
}

static void binding(void)
{
    fine(seL4_TCB_BindNotification(SELF, notification));
    equal(seL4_TCB_BindNotification(SELF, notification), seL4_IllegalOperation);
    equal(seL4_TCB_BindNotification(SELF, take(seL4_NotificationObject, 0)), seL4_IllegalOperation);
    struct thread *thread = thread_new(10, signalling, (void *)two, 0);
    equal(seL4_TCB_BindNotification(thread->tcb, notification), seL4_IllegalOperation);
    equal(seL4_TCB_BindNotification(thread->tcb, endpoint), seL4_IllegalOperation);
    equal(seL4_TCB_UnbindNotification(thread->tcb), seL4_IllegalOperation);
    seL4_CPtr sender = mint(take(seL4_NotificationObject, 0), seL4_CanWrite, 0);
    equal(seL4_TCB_BindNotification(thread->tcb, sender), seL4_IllegalOperation);
    ok("bind");

    /* A signal while the thread waits at an endpoint. */
    seL4_Word badge = 0;
    fine(seL4_TCB_Resume(thread->tcb));
    seL4_Recv(endpoint, &badge);
    equal(badge, 2);
    /* A signal from before, which goes before messages. */
    seL4_Signal(one);
    thread_start(10, calling, NULL);
    let_others_run();
    seL4_Recv(endpoint, &badge);
    equal(badge, 1);
    seL4_MessageInfo_t message = seL4_Recv(endpoint, &badge);
    equal(badge, 0);
    equal(seL4_MessageInfo_get_label(message), 5);
    equal(seL4_GetMR(0), 1234);
    /* And also without waiting. */
    seL4_Signal(two);
    seL4_NBRecv(endpoint, &badge);
    equal(badge, 2);
    seL4_Signal(one);
    seL4_Wait(notification, &badge);
    equal(badge, 1);
    ok("bound");

    fine(seL4_TCB_UnbindNotification(SELF));
    equal(seL4_TCB_UnbindNotification(SELF), seL4_IllegalOperation);
    seL4_Signal(one);
    badge = 9;
    seL4_NBRecv(endpoint, &badge);
    equal(badge, 0);
    equal(poll(), 1);
    /* A notification that others wait for cannot be bound. */
    count = 0;
    thread_start(10, waiting, (void *)3);
    let_others_run();
    equal(seL4_TCB_BindNotification(SELF, notification), seL4_IllegalOperation);
    seL4_Signal(one);
    let_others_run();
    equal(got[0], 0x301);
    ok("unbind");
}

int main(void)
{
    notification = take(seL4_NotificationObject, 0);
    endpoint = take(seL4_EndpointObject, 0);
    one = mint(notification, seL4_AllRights, 1);
    two = mint(notification, seL4_AllRights, 2);
    badges();
    waiters();
    binding();
    return 0;
}
