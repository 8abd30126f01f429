/* The console's interrupt: a thread that waits for it, and reads what was typed. */
#include "common.h"

#define CONSOLE_IRQ 10

int main(void)
{
    seL4_CPtr handler = slot();
    fine(seL4_IRQControl_Get(seL4_CapIRQControl, CONSOLE_IRQ, ROOT, handler, seL4_WordBits));
    seL4_CPtr notification = take(seL4_NotificationObject, 0);
    fine(seL4_IRQHandler_SetNotification(handler, mint(notification, seL4_AllRights, 8)));
    fine(seL4_IRQHandler_Ack(handler));
    ok("ready");
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        seL4_Word badge = 0;
        seL4_Wait(notification, &badge);
        equal(badge, 8);
        char line[16];
        check(fgets(line, sizeof(line), stdin));
        printf("interrupt, and %s", line);
        fflush(stdout);
        fine(seL4_IRQHandler_Ack(handler));
    }
    ok("done");
    return 0;
}
