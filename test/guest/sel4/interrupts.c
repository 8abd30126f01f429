/* Interrupts: capabilities to handle them. None happens here. */
#include "common.h"

#define IRQ 5

static seL4_Error get(seL4_Word irq, seL4_CPtr to)
{
    return seL4_IRQControl_Get(seL4_CapIRQControl, irq, ROOT, to, seL4_WordBits);
}

int main(void)
{
    seL4_CPtr handler = slot(), other = slot();
    fine(get(IRQ, handler));
    equal(seL4_DebugCapIdentify(handler), 16);
    equal(get(IRQ, other), seL4_RevokeFirst);
    equal(get(IRQ + 1, handler), seL4_DeleteFirst);
    equal(get(0, other), seL4_RangeError);
    equal(seL4_GetMR(0), 1);
    equal(get(1ul << 32, other), seL4_RangeError);
    equal(seL4_IRQControl_Get(seL4_CapIRQControl, IRQ + 1, ROOT, other, 0), seL4_RangeError);
    check(is_empty(other));
    ok("get");

    seL4_CPtr notification = take(seL4_NotificationObject, 0);
    seL4_CPtr badged = mint(notification, seL4_AllRights, 4);
    fine(seL4_IRQHandler_SetNotification(handler, badged));
    fine(seL4_IRQHandler_SetNotification(handler, notification));
    equal(seL4_IRQHandler_SetNotification(handler, ROOT), seL4_InvalidCapability);
    equal(seL4_IRQHandler_SetNotification(handler, mint(notification, seL4_CanRead, 0)), seL4_InvalidCapability);
    fine(seL4_IRQHandler_Ack(handler));
    fine(seL4_IRQHandler_Clear(handler));
    fine(seL4_IRQHandler_Clear(handler));
    seL4_Word badge = 1;
    seL4_Poll(notification, &badge);
    equal(badge, 0);
    ok("handler");

    /* The handler's last capability gone, the interrupt can be had again. */
    seL4_CPtr second = copy(handler);
    fine(delete(handler));
    equal(get(IRQ, other), seL4_RevokeFirst);
    fine(delete(second));
    fine(get(IRQ, other));
    fine(revoke(seL4_CapIRQControl));
    check(is_empty(other));
    fine(get(IRQ, other));
    ok("delete");
    return 0;
}
