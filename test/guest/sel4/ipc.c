/* Messages: calls and replies, words and capabilities that travel, and rights that are needed for it. */
#include "common.h"

static seL4_CPtr endpoint;

/* What the other side does and sees; the first thread is the server and checks. */
static volatile struct {
    seL4_CPtr to;
    seL4_Word label, length, caps;
    seL4_CPtr cap[3];
    seL4_CPtr receive; /* slot for a capability in the answer */
    seL4_Word answer_label, answer_length, answer_caps, answer_unwrapped, answer[seL4_MsgMaxLength];
    int done;
} client;

static void prepare(void)
{
    for (seL4_Word i = 0; i < seL4_MsgMaxLength; i++) {
        seL4_SetMR((int)i, 1000 + i);
    }
    for (int i = 0; i < 3; i++) {
        seL4_SetCap(i, client.cap[i]);
    }
    seL4_SetCapReceivePath(ROOT, client.receive, client.receive ? seL4_WordBits : 0);
}

static void calling(void *argument)
{
    (void)argument;
    prepare();
    seL4_MessageInfo_t answer = seL4_Call(client.to, seL4_MessageInfo_new(client.label, 0, client.caps, client.length));
    client.answer_label = seL4_MessageInfo_get_label(answer);
    client.answer_length = seL4_MessageInfo_get_length(answer);
    client.answer_caps = seL4_MessageInfo_get_extraCaps(answer);
    client.answer_unwrapped = seL4_MessageInfo_get_capsUnwrapped(answer);
    for (int i = 0; i < seL4_MsgMaxLength; i++) {
        client.answer[i] = seL4_GetMR(i);
    }
    client.done++;
}

static void sending(void *argument)
{
    (void)argument;
    prepare();
    seL4_Send(client.to, seL4_MessageInfo_new(client.label, 0, client.caps, client.length));
    client.done++;
}

static struct thread *start(void (*run)(void *), seL4_CPtr to, seL4_Word length)
{
    client.to = to;
    client.label = 50;
    client.length = length;
    client.done = 0;
    return thread_start(10, run, NULL);
}

static void clear_buffer(void)
{
    for (int i = 0; i < seL4_MsgMaxLength; i++) {
        seL4_SetMR(i, 0);
    }
}

static void calls(void)
{
    seL4_CPtr badged = mint(endpoint, seL4_AllRights, 0x8000000000000001ul);
    static const seL4_Word lengths[] = {0, 1, 4, 5, 10, seL4_MsgMaxLength};
    for (unsigned k = 0; k < sizeof(lengths) / sizeof(*lengths); k++) {
        start(calling, badged, lengths[k]);
        seL4_Word badge = 0;
        clear_buffer();
        seL4_MessageInfo_t message = seL4_Recv(endpoint, &badge);
        equal(badge, 0x8000000000000001ul);
        equal(seL4_MessageInfo_get_label(message), 50);
        equal(seL4_MessageInfo_get_length(message), lengths[k]);
        equal(seL4_MessageInfo_get_extraCaps(message), 0);
        for (int i = 0; i < (int)lengths[k]; i++) {
            equal(seL4_GetMR(i), 1000 + i);
            seL4_SetMR(i, 3000 + (seL4_Word)i);
        }
        for (int i = (int)lengths[k] > 4 ? (int)lengths[k] : 4; i < seL4_MsgMaxLength; i++) {
            equal(seL4_GetMR(i), 0);
        }
        equal(client.done, 0);
        seL4_Reply(seL4_MessageInfo_new(60 + k, 0, 0, lengths[k]));
        let_others_run();
        equal(client.done, 1);
        equal(client.answer_label, 60 + k);
        equal(client.answer_length, lengths[k]);
        for (int i = 0; i < (int)lengths[k]; i++) {
            equal(client.answer[i], 3000 + i);
        }
    }
    ok("call and reply");

    /* No message is longer than there is room for. */
    start(calling, endpoint, 127);
    seL4_MessageInfo_t message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_length(message), seL4_MsgMaxLength);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    seL4_Reply(seL4_MessageInfo_new(9, 0, 0, 0)); /* nobody waits for this any more */
    let_others_run();
    equal(client.answer_label, 0);
    ok("longest message");
}

static volatile seL4_Word sum;

static void asking(void *argument)
{
    for (seL4_Word i = 1; i <= 10; i++) {
        seL4_Word word = i;
        seL4_CallWithMRs((seL4_CPtr)argument, seL4_MessageInfo_new(0, 0, 0, 1), &word, NULL, NULL, NULL);
        sum += word;
    }
}

static void serving(void)
{
    thread_start(10, asking, (void *)mint(endpoint, seL4_AllRights, 1));
    thread_start(9, asking, (void *)mint(endpoint, seL4_AllRights, 2));
    seL4_Word badge, requests[3] = {0, 0, 0};
    seL4_Recv(endpoint, &badge);
    for (int i = 0; i < 20; i++) {
        check(badge == 1 || badge == 2);
        requests[badge]++;
        seL4_SetMR(0, seL4_GetMR(0) * badge);
        if (i == 19) {
            seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 1));
        } else {
            seL4_ReplyRecv(endpoint, seL4_MessageInfo_new(0, 0, 0, 1), &badge);
        }
    }
    let_others_run();
    equal(requests[1], 10);
    equal(requests[2], 10);
    equal(sum, 55 + 110);
    ok("reply and receive");
}

static void one_way(void)
{
    seL4_Word badge = 5;
    seL4_NBSend(endpoint, seL4_MessageInfo_new(1, 0, 0, 0)); /* nobody waits: lost */
    seL4_NBRecv(endpoint, &badge);
    equal(badge, 0);
    seL4_CPtr badged = mint(endpoint, seL4_AllRights, 6);
    start(sending, badged, 2);
    let_others_run();
    equal(client.done, 0); /* waits for a receiver */
    seL4_MessageInfo_t message = seL4_NBRecv(endpoint, &badge);
    equal(badge, 6);
    equal(seL4_MessageInfo_get_length(message), 2);
    equal(seL4_GetMR(1), 1001);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0)); /* a send asks for no answer */
    let_others_run();
    equal(client.done, 1);
    seL4_Word words[4] = {0, 0, 0, 0};
    start(sending, badged, 3);
    seL4_RecvWithMRs(endpoint, &badge, &words[0], &words[1], &words[2], NULL);
    equal(words[0], 1000);
    equal(words[2], 1002);
    let_others_run();
    ok("send");
}

static void capabilities(void)
{
    seL4_CPtr full = mint(endpoint, seL4_AllRights, 1), receive = slot(), other = take(seL4_NotificationObject, 0);
    seL4_SetCapReceivePath(ROOT, receive, seL4_WordBits);
    client.cap[0] = SELF;
    client.caps = 1;
    start(calling, full, 0);
    seL4_MessageInfo_t message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 1);
    equal(seL4_MessageInfo_get_capsUnwrapped(message), 0);
    equal(seL4_DebugCapIdentify(receive), seL4_DebugCapIdentify(SELF));
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    ok("one capability");

    /* Into an occupied slot: none; the message arrives. */
    start(calling, full, 1);
    message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 0);
    equal(seL4_GetMR(0), 1000);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    fine(delete(receive));

    /* Capabilities to the endpoint itself arrive as their badges. There is room for one other. */
    client.cap[0] = mint(endpoint, seL4_AllRights, 11);
    client.cap[1] = other;
    client.cap[2] = mint(endpoint, seL4_NoRights, 13);
    client.caps = 3;
    start(calling, full, 0);
    message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 3);
    equal(seL4_MessageInfo_get_capsUnwrapped(message), 5);
    equal(seL4_GetBadge(0), 11);
    equal(seL4_GetBadge(2), 13);
    equal(seL4_DebugCapIdentify(receive), seL4_DebugCapIdentify(other));
    fine(delete(receive));
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();

    client.cap[0] = other;
    client.cap[1] = SELF;
    start(calling, full, 0);
    message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 1);
    equal(seL4_MessageInfo_get_capsUnwrapped(message), 0);
    equal(seL4_DebugCapIdentify(receive), seL4_DebugCapIdentify(other));
    fine(delete(receive));
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    ok("several capabilities");

    /* What cannot be copied does not travel. */
    client.cap[0] = seL4_CapIRQControl;
    client.caps = 1;
    start(calling, full, 0);
    message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 0);
    check(is_empty(receive));

    /* And back: the answer, too. */
    client.caps = 0;
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    client.receive = slot();
    start(calling, full, 0);
    seL4_Recv(endpoint, NULL);
    seL4_SetCap(0, other);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 1, 0));
    let_others_run();
    equal(client.answer_caps, 1);
    equal(seL4_DebugCapIdentify(client.receive), seL4_DebugCapIdentify(other));
    fine(delete(client.receive));
    ok("capability in an answer");
}

static void rights(void)
{
    seL4_CPtr receive = slot();
    seL4_SetCapReceivePath(ROOT, receive, seL4_WordBits);
    client.cap[0] = SELF;
    client.caps = 1;

    /* Without any grant right there are no capabilities, and no answer: the caller stops for good. */
    struct thread *lost = start(calling, mint(endpoint, seL4_CanWrite, 2), 1);
    seL4_Word badge;
    seL4_MessageInfo_t message = seL4_Recv(endpoint, &badge);
    equal(badge, 2);
    equal(seL4_MessageInfo_get_extraCaps(message), 0);
    check(is_empty(receive));
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    equal(client.done, 0);
    fine(delete(lost->tcb));

    /* Sending needs none. */
    start(sending, mint(endpoint, seL4_CanWrite, 2), 1);
    message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 0);
    let_others_run();
    equal(client.done, 1);

    /* GrantReply: an answer, but no capabilities. */
    start(calling, mint(endpoint, seL4_CapRights_new(1, 0, 0, 1), 3), 1);
    message = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_extraCaps(message), 0);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    equal(client.done, 1);

    /* Who receives without Grant cannot answer with capabilities. */
    seL4_CPtr reader = mint(endpoint, seL4_CanRead, 0);
    client.receive = slot();
    start(calling, mint(endpoint, seL4_AllRights, 4), 1);
    message = seL4_Recv(reader, &badge);
    equal(badge, 4);
    equal(seL4_MessageInfo_get_extraCaps(message), 1);
    seL4_SetCap(0, ROOT);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 1, 0));
    let_others_run();
    equal(client.done, 1);
    equal(client.answer_caps, 0);
    check(is_empty(client.receive));
    fine(delete(receive));
    client.receive = 0;
    client.caps = 0;
    ok("rights");
}

static void saved_callers(void)
{
    seL4_CPtr reply = slot();
    fine(seL4_CNode_SaveCaller(ROOT, reply, seL4_WordBits)); /* nobody called: nothing to save */
    check(is_empty(reply));
    start(calling, endpoint, 1);
    seL4_Recv(endpoint, NULL);
    equal(seL4_CNode_SaveCaller(ROOT, SELF, seL4_WordBits), seL4_DeleteFirst);
    fine(seL4_CNode_SaveCaller(ROOT, reply, seL4_WordBits));
    equal(seL4_DebugCapIdentify(reply), 8);
    seL4_Reply(seL4_MessageInfo_new(1, 0, 0, 0)); /* it is elsewhere now */
    let_others_run();
    equal(client.done, 0);
    equal(seL4_CNode_Copy(ROOT, slot(), seL4_WordBits, ROOT, reply, seL4_WordBits, seL4_AllRights),
          seL4_IllegalOperation);
    seL4_CPtr moved = slot();
    fine(seL4_CNode_Move(ROOT, moved, seL4_WordBits, ROOT, reply, seL4_WordBits));
    seL4_SetMR(0, 321);
    seL4_Send(moved, seL4_MessageInfo_new(2, 0, 0, 1));
    check(is_empty(moved)); /* for one answer only */
    let_others_run();
    equal(client.done, 1);
    equal(client.answer_label, 2);
    equal(client.answer[0], 321);

    /* Receiving again forgets a caller that was not saved. */
    struct thread *forgotten = start(calling, endpoint, 1);
    seL4_Recv(endpoint, NULL);
    seL4_Word badge;
    seL4_NBRecv(endpoint, &badge);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    let_others_run();
    equal(client.done, 0);
    fine(delete(forgotten->tcb));
    ok("save caller");
}

static volatile int returned;

static void blocked_sending(void *argument)
{
    seL4_Send((seL4_CPtr)argument, seL4_MessageInfo_new(0, 0, 0, 0));
    returned++;
}

static void cancelling(void)
{
    seL4_CPtr first = mint(endpoint, seL4_AllRights, 21), second = mint(endpoint, seL4_AllRights, 22);
    seL4_CPtr weak = mint(endpoint, seL4_NoWrite, 21), used = copy(first);
    thread_start(10, blocked_sending, (void *)used);
    thread_start(10, blocked_sending, (void *)second);
    let_others_run();
    equal(returned, 0);
    equal(seL4_CNode_CancelBadgedSends(ROOT, weak, seL4_WordBits), seL4_IllegalOperation);
    equal(seL4_CNode_CancelBadgedSends(ROOT, SELF, seL4_WordBits), seL4_IllegalOperation);
    fine(seL4_CNode_CancelBadgedSends(ROOT, endpoint, seL4_WordBits)); /* no badge: nobody */
    /* What is cancelled is tried again; this one then finds no capability, and goes on. */
    fine(delete(used));
    fine(seL4_CNode_CancelBadgedSends(ROOT, first, seL4_WordBits));
    let_others_run();
    equal(returned, 1);
    seL4_Word badge = 0;
    seL4_NBRecv(endpoint, &badge);
    equal(badge, 22);
    seL4_NBRecv(endpoint, &badge);
    equal(badge, 0);
    let_others_run();
    equal(returned, 2);
    ok("cancel badged sends");

    /* With the endpoint all that wait for it go on. */
    seL4_CPtr own = take(seL4_EndpointObject, 0);
    thread_start(10, blocked_sending, (void *)own);
    let_others_run();
    equal(returned, 2);
    fine(delete(own));
    let_others_run();
    equal(returned, 3);
    ok("delete an endpoint");
}

int main(void)
{
    endpoint = take(seL4_EndpointObject, 0);
    calls();
    serving();
    one_way();
    capabilities();
    rights();
    saved_callers();
    cancelling();
    return 0;
}
