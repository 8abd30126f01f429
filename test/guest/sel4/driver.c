/* A driver for the serial port as a program: it maps the registers, and hears of its interrupt. */
#include "common.h"
#include <errno.h>

/* unistd.h has a revoke of its own. */
long write(int file, const void *bytes, size_t count);

enum { DATA = 0, ENABLE = 1, IDENTIFY = 2, FIFO = 2, STATUS = 5, SCRATCH = 7, LINE = 10 };
static volatile unsigned char *port;
static seL4_CPtr device, notification, handler;

static seL4_CPtr find_device(void)
{
    seL4_BootInfo *info = seL4_GetBootInfo();
    for (seL4_Word i = 0; i < info->untyped.end - info->untyped.start; i++) {
        if (info->untypedList[i].isDevice && info->untypedList[i].paddr == 0x10000000) {
            equal(info->untypedList[i].sizeBits, seL4_PageBits);
            return info->untyped.start + i;
        }
    }
    return 0;
}

static void put(const char *text)
{
    for (; *text; text++) {
        while ((port[STATUS] & 0x20) == 0) {
        }
        port[DATA] = *text;
    }
}

static void map_registers(void)
{
    device = find_device();
    check(device != 0);
    seL4_CPtr frame = slot();
    equal(retype(device, seL4_RISCV_PageTableObject, 0, frame, 1), seL4_InvalidArgument);
    equal(retype(device, seL4_RISCV_Mega_Page, 0, frame, 1), seL4_NotEnoughMemory);
    fine(retype(device, seL4_RISCV_4K_Page, 0, frame, 1));
    port = (volatile unsigned char *)map(frame);
    /* It is no buffer for messages, and no memory for Linux's calls. */
    equal(seL4_TCB_SetIPCBuffer(SELF, (seL4_Word)port, frame), seL4_IllegalOperation);
    equal(write(1, (const void *)port, 8), -1);
    equal(errno, EFAULT);
    port[SCRATCH] = 0x5a;
    equal(port[SCRATCH], 0x5a);
    put("ok registers\n");
}

static void hear(void)
{
    notification = take(seL4_NotificationObject, 0);
    handler = slot();
    fine(seL4_IRQControl_Get(seL4_CapIRQControl, LINE, ROOT, handler, seL4_WordBits));
    fine(seL4_IRQHandler_SetNotification(handler, notification));
    port[FIFO] = 7;
    port[ENABLE] = 1;
    put("ok ready\n");
}

/* A line of what is typed, and how many interrupts it took. */
static void echo(void)
{
    char line[64];
    int length = 0, interrupts = 0;
    do {
        seL4_Wait(notification, NULL);
        interrupts++;
        equal(port[IDENTIFY] & 0xf, 4);
        while (port[STATUS] & 1) {
            line[length++] = port[DATA];
        }
        equal(port[IDENTIFY] & 0xf, 1);
        fine(seL4_IRQHandler_Ack(handler));
    } while (line[length - 1] != '\n');
    line[length] = 0;
    check(interrupts > 0);
    put("heard ");
    put(line);
}

/* The line is up again for as long as there is something to read. */
static void level(void)
{
    seL4_Wait(notification, NULL);
    (void)port[DATA];
    fine(seL4_IRQHandler_Ack(handler));
    seL4_Word badge;
    seL4_Wait(notification, &badge);
    while (port[STATUS] & 1) {
        (void)port[DATA];
    }
    fine(seL4_IRQHandler_Ack(handler));
    put("ok level\n");
}

int main(void)
{
    map_registers();
    hear();
    echo();
    echo();
    level();
    fine(revoke(device));
    ok("revoked");
    return 0;
}
