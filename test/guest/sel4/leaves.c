/* Ends while it holds what is more than its memory: an interrupt line that signals it. */
#include "common.h"

int main(void)
{
    seL4_CPtr handler = slot();
    fine(seL4_IRQControl_Get(seL4_CapIRQControl, 10, ROOT, handler, seL4_WordBits));
    seL4_CPtr notification = take(seL4_NotificationObject, 0);
    fine(seL4_IRQHandler_SetNotification(handler, mint(notification, seL4_AllRights, 8)));
    fine(seL4_IRQHandler_Ack(handler));
    ok("left");
    return 0;
}
