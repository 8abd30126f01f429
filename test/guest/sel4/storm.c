/*
 * Makes random calls of seL4's and some of Linux's, from a seed: with capabilities, addresses and numbers that make
 * sense and with others, in several threads of one priority, until they have taken everything away from each other.
 */
#include "../oracle/random.h"
#include "common.h"

enum { THREADS = 3, SLOTS = 180, PAGE = 4096 };
static seL4_CPtr first, large;
static struct thread *threads[THREADS];

/* Without the C library: it may not survive what the calls do to its memory. */
static seL4_Word enter(seL4_Word number, seL4_Word destination, seL4_Word tag, const seL4_Word *words)
{
    register seL4_Word a0 __asm__("a0") = destination, a1 __asm__("a1") = tag, a2 __asm__("a2") = words[0];
    register seL4_Word a3 __asm__("a3") = words[1], a4 __asm__("a4") = words[2], a5 __asm__("a5") = words[3];
    register seL4_Word a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5) : "r"(a7) : "memory");
    return a0;
}

static seL4_Word pick(const seL4_Word *from, seL4_Word count)
{
    return from[random_below(count)];
}
#define PICK(...)                                                                                                      \
    pick((seL4_Word[]){__VA_ARGS__}, sizeof((seL4_Word[]){__VA_ARGS__}) / sizeof(seL4_Word))

/* Mostly of what was made, sometimes of what was there at the start. */
static seL4_Word any_slot(void)
{
    return random_below(200) ? first + random_below(SLOTS) : random_below(first + 4);
}

/* What seL4_DebugCapIdentify says. */
enum { FRAME = 1, UNTYPED = 2, TABLE = 3, ENDPOINT = 4, NOTIFICATION = 6, CNODE = 10, TCB = 12, HANDLER = 16, POOL = 13 };

/* Mostly one of this type, if there are some. */
static seL4_Word typed(seL4_Word type)
{
    seL4_Word slot = any_slot();
    for (int i = 0; i < 12 && random_below(30); i++) {
        if (enter(-12ul, slot, 0, (seL4_Word[4]){0}) == type) {
            break;
        }
        slot = any_slot();
    }
    return slot;
}

/* The program's own, or another one. */
static seL4_Word usual(seL4_Word slot, seL4_Word type)
{
    return random_below(3) ? slot : typed(type);
}

static seL4_Word place(void)
{
    seL4_Word size = PICK(12, 12, 12, 21, 30);
    seL4_Word at = AREA + (random_below(24) << size);
    return random_below(30) ? at : at + random_below(1 << 13);
}

static seL4_Word odd(void)
{
    switch (random_below(4)) {
    case 0:
        return random_word() >> random_below(64);
    case 1:
        return any_slot();
    default:
        return PICK(0, 1, 2, 3, 4, 7, 12, 16, 21, 30, 52, 63, 64, 65, 128, 255, 256, 257, 0xfff, 1ul << 32, 1ul << 38,
                    1ul << 63, -1ul, -4096ul, AREA, 0x3000000000, 0x3000001000, (seL4_Word)&threads);
    }
}

static seL4_Word depth(void)
{
    return random_below(20) ? 64 : odd();
}

/* A message that its method understands: words, capabilities, and through what it goes. */
struct message {
    seL4_Word label, destination, count, words[40], caps, cap[3];
};

#define WORDS(...)                                                                                                     \
    do {                                                                                                               \
        seL4_Word all_[] = {__VA_ARGS__};                                                                              \
        message->count = sizeof(all_) / sizeof(seL4_Word);                                                             \
        memcpy(message->words, all_, sizeof(all_));                                                                    \
    } while (0)

static void retyping(struct message *message)
{
    seL4_Word type = random_below(9), bits = 0;
    if (type == seL4_UntypedObject) {
        bits = random_below(3) ? 4 + random_below(14) : 12;
    } else if (type == seL4_CapTableObject) {
        bits = 1 + random_below(10);
    }
    message->destination = seL4_GetBootInfo()->untyped.start + random_below(8);
    if (random_below(3) == 0) {
        message->destination = typed(UNTYPED);
    }
    message->caps = 1;
    message->cap[0] = ROOT;
    if (random_below(8) == 0) {
        /* So many that to revoke them takes several steps. */
        message->cap[0] = large;
        WORDS(PICK(2, 3), 0, 0, 0, random_below(4) << 6, 64);
        return;
    }
    if (random_below(20) == 0) {
        message->cap[0] = typed(CNODE);
        WORDS(type, bits, any_slot(), random_below(2) ? 0 : odd(), random_below(8), 1);
        return;
    }
    WORDS(type, bits, 0, 0, first + random_below(SLOTS), 1 + random_below(random_below(4) ? 2 : 9));
}

static void deriving(struct message *message)
{
    message->destination = usual(ROOT, CNODE);
    message->caps = 1 + (message->label == CNodeRotate);
    message->cap[0] = message->cap[1] = ROOT;
    seL4_Word data = random_below(3) ? random_below(4) : odd();
    if (message->label == CNodeRotate) {
        WORDS(any_slot(), depth(), data, any_slot(), depth(), 0, any_slot(), depth());
    } else if (message->label == CNodeMutate) {
        WORDS(any_slot(), depth(), any_slot(), depth(), data);
    } else {
        WORDS(any_slot(), depth(), any_slot(), depth(), random_below(16), data);
    }
}

static void registering(struct message *message)
{
    struct thread *thread = threads[random_below(THREADS)];
    seL4_UserContext registers = thread_registers(thread);
    message->count = 34;
    message->words[0] = random_below(4);
    message->words[1] = random_below(30) ? 32 : odd();
    memcpy(message->words + 2, &registers, sizeof(registers));
    /* In a thread that starts there nothing is as it should be. */
    message->words[2] = random_below(3) ? registers.pc : odd();
}

static void controlling(struct message *message)
{
    message->destination = random_below(10) ? typed(TCB) : threads[random_below(THREADS)]->tcb;
    message->caps = 3;
    message->cap[0] = usual(ROOT, CNODE);
    message->cap[1] = usual(VSPACE, TABLE);
    message->cap[2] = typed(PICK(FRAME, TCB));
    switch (message->label) {
    case TCBWriteRegisters:
        registering(message);
        return;
    case TCBConfigure:
        WORDS(typed(ENDPOINT), 0, 0, random_below(2) ? place() & -1024ul : 0);
        return;
    case TCBSetSpace:
        WORDS(typed(ENDPOINT), random_below(4) ? 0 : odd(), 0);
        return;
    case TCBSetPriority:
    case TCBSetMCPriority:
    case TCBSetSchedParams:
        message->cap[0] = SELF;
        WORDS(100, random_below(10) ? 100 : odd());
        return;
    case TCBSetIPCBuffer:
        message->cap[0] = message->cap[2];
        WORDS(random_below(2) ? place() & -1024ul : 0);
        return;
    case TCBBindNotification:
        message->cap[0] = typed(NOTIFICATION);
        return;
    default:
        message->cap[0] = message->cap[2];
        WORDS(random_below(16), random_below(33));
    }
}

static void mapping(struct message *message)
{
    message->caps = 1;
    message->destination = typed(message->label >= RISCVPageMap ? FRAME : TABLE);
    message->cap[0] = usual(VSPACE, TABLE);
    WORDS(place(), message->label == RISCVPageTableMap ? 0 : random_below(16), 0);
    if (message->label == RISCVASIDControlMakePool) {
        message->destination = seL4_CapASIDControl;
        message->caps = 2;
        message->cap[0] = typed(UNTYPED);
        message->cap[1] = ROOT;
        WORDS(any_slot(), depth());
    } else if (message->label == RISCVASIDPoolAssign) {
        message->destination = usual(seL4_CapInitThreadASIDPool, POOL);
        message->cap[0] = typed(TABLE);
    }
}

static void sensible(struct message *message)
{
    message->destination = any_slot();
    message->caps = message->count = 0;
    switch (random_below(12)) {
    case 0:
    case 1:
    case 2:
        message->label = UntypedRetype;
        retyping(message);
        return;
    case 3:
    case 4:
        message->label = CNodeCopy + random_below(5);
        deriving(message);
        return;
    case 5:
        message->label = CNodeRevoke + random_below(2) + 2 * (random_below(10) == 0);
        message->destination = ROOT;
        WORDS(any_slot(), depth());
        return;
    case 6:
    case 7:
        message->label = TCBReadRegisters + random_below(14);
        controlling(message);
        return;
    case 8:
    case 9:
    case 10:
        message->label = RISCVPageTableMap + random_below(7);
        mapping(message);
        return;
    default:
        message->label = PICK(IRQIssueIRQHandler, IRQAckIRQ, IRQSetIRQHandler, IRQClearIRQHandler, CNodeSaveCaller,
                              DomainSetSet, IRQSetIRQHandler);
        message->destination = usual(seL4_CapIRQControl, HANDLER);
        message->caps = 1;
        message->cap[0] = random_below(2) ? ROOT : typed(NOTIFICATION);
        if (message->label == DomainSetSet) {
            message->destination = seL4_CapDomain;
            message->cap[0] = typed(TCB);
            WORDS(random_below(2));
            return;
        }
        if (message->label == CNodeSaveCaller) {
            message->destination = ROOT;
            WORDS(any_slot(), depth());
            return;
        }
        WORDS(PICK(10, 10, 11, 0, 127, 128), any_slot(), depth());
    }
}

static void senseless(struct message *message)
{
    message->label = random_below(10) ? random_below(40) : odd();
    message->destination = random_below(4) ? any_slot() : odd();
    message->count = random_below(16);
    message->caps = random_below(4);
    for (seL4_Word i = 0; i < 16; i++) {
        message->words[i] = odd();
    }
    for (seL4_Word i = 0; i < 3; i++) {
        message->cap[i] = random_below(4) ? any_slot() : odd();
    }
}

/* Messages between the threads: through endpoints and notifications. */
static void talk(seL4_IPCBuffer *buffer)
{
    seL4_Word tag = odd() << 12 | random_below(4) << 7 | random_below(128);
    for (int i = 0; i < 3; i++) {
        buffer->caps_or_badges[i] = random_below(3) ? any_slot() : odd();
    }
    seL4_Word number = random_below(3) ? PICK(-1ul, -2ul, -5ul) : PICK(-3ul, -4ul, -6ul, -8ul);
    enter(number, typed(random_below(3) ? ENDPOINT : NOTIFICATION), tag, buffer->msg);
}

static void seL4_storm(void)
{
    struct message message = {0};
    seL4_IPCBuffer *buffer = seL4_GetIPCBuffer();
    if (random_below(4) == 0) {
        talk(buffer);
        return;
    }
    if (random_below(5)) {
        sensible(&message);
    } else {
        senseless(&message);
    }
    for (seL4_Word i = 4; i < message.count; i++) {
        buffer->msg[i] = message.words[i];
    }
    memcpy(buffer->caps_or_badges, message.cap, sizeof(message.cap));
    buffer->receiveCNode = ROOT;
    buffer->receiveIndex = any_slot();
    buffer->receiveDepth = depth();
    seL4_Word tag = message.label << 12 | message.caps << 7 | message.count;
    /* Call mostly; what can wait for ever less often; then everything there is. */
    seL4_Word number = random_below(8) ? -1ul : random_below(3) ? PICK(-3ul, -4ul, -6ul, -8ul) : -1 - random_below(15);
    enter(number, message.destination, tag, message.words);
}

static void linux_storm(void)
{
    seL4_Word at = place() & -4096ul, length = PICK(PAGE, 3 * PAGE, 1 << 21, 1 << 22, 1 << 30);
    seL4_Word words[4] = {random_below(8), 0x32, -1ul, 0};
    switch (random_below(9)) {
    case 0:
        enter(222, at, length, words);
        return;
    case 1:
        enter(215, at, length, words);
        return;
    case 2:
        enter(226, at, length, words);
        return;
    case 3:
        words[0] = PICK(PAGE, 1 << 21);
        words[1] = 3;
        words[2] = place() & -4096ul;
        enter(216, at, length, words);
        return;
    case 4:
        words[0] = 4;
        enter(233, at, length, words);
        return;
    case 5:
        /* Into memory that may be there. */
        enter(278, place(), PICK(1, 8, PAGE), (seL4_Word[4]){0});
        return;
    case 6:
        enter(124, 0, 0, words);
        return;
    case 7:
        if (random_below(200) == 0) {
            enter(PICK(93, 94), 0, 0, words);
        }
        return;
    default:
        /* A futex that nobody wakes, for a moment. */
        enter(101, (seL4_Word)(seL4_Word[2]){0, random_below(20000)}, 0, words);
    }
}

static void storm(void *argument)
{
    (void)argument;
    for (;;) {
        if (random_below(8)) {
            seL4_storm();
        } else {
            linux_storm();
        }
    }
}

/* Whoever waits for what never comes begins again: so there is always somebody who makes calls. */
static void watch(void *argument)
{
    (void)argument;
    for (;;) {
        enter(101, (seL4_Word)(seL4_Word[2]){0, 20000}, 0, (seL4_Word[4]){0});
        for (int i = 0; i < THREADS; i++) {
            seL4_UserContext registers = thread_registers(threads[i]);
            seL4_TCB_WriteRegisters(threads[i]->tcb, random_below(4) == 0, 0, 32, &registers);
            if (random_below(4) == 0) {
                seL4_TCB_SetSpace(threads[i]->tcb, 0, ROOT, 0, VSPACE, 0);
            }
        }
    }
}

int main(int argc, char **argv)
{
    random_state ^= strtoul(argv[argc - 1], 0, 10) * 0xd1342543de82ef95u;
    for (int i = 0; i < THREADS; i++) {
        threads[i] = thread_start(100, storm, NULL);
        fine(seL4_TCB_SetMCPriority(threads[i]->tcb, SELF, 255));
    }
    thread_start(200, watch, NULL);
    first = slots(SLOTS);
    large = take(seL4_CapTableObject, 8);
    fine(seL4_TCB_SetPriority(SELF, SELF, 100));
    storm(NULL);
}
