/*
 * System calls on RISC-V.
 *
 * Registers: a7 the number, a0 the address of the capability and then the badge, a1 the message information, a2 to a5
 * the first four words of the message; the others are in the IPC buffer. The kernel changes none but these. Functions
 * without WithMRs keep those four words in the IPC buffer, too; the others leave them where the caller wants them.
 */
#pragma once

#include <sel4/functions.h>
#include <sel4/syscall.h>
#include <sel4/types.h>

/* One way into the kernel for all: what a call does not use is passed and ignored. */
LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Enter_(seL4_Int64 number, seL4_Word *address, seL4_MessageInfo_t information,
                                                   seL4_Word message[4])
{
    register seL4_Word a0 __asm__("a0") = *address;
    register seL4_Word a1 __asm__("a1") = information.words[0];
    register seL4_Word a2 __asm__("a2") = message[0];
    register seL4_Word a3 __asm__("a3") = message[1];
    register seL4_Word a4 __asm__("a4") = message[2];
    register seL4_Word a5 __asm__("a5") = message[3];
    register seL4_Int64 a7 __asm__("a7") = number;
    /* The kernel reads and writes the IPC buffer, and other threads run meanwhile. */
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     : "r"(a7)
                     : "memory");
    *address = a0;
    message[0] = a2;
    message[1] = a3;
    message[2] = a4;
    message[3] = a5;
    information.words[0] = a1;
    return information;
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_EnterWithBuffer_(seL4_Int64 number, seL4_Word *address,
                                                             seL4_MessageInfo_t information, int sends, int receives)
{
    seL4_Word message[4] = {0, 0, 0, 0};
    if (sends) {
        for (int i = 0; i < 4; i++) {
            message[i] = seL4_GetMR(i);
        }
    }
    information = seL4_Enter_(number, address, information, message);
    if (receives) {
        for (int i = 0; i < 4; i++) {
            seL4_SetMR(i, message[i]);
        }
    }
    return information;
}

/* Words that the message does not have, or for which there is no pointer, are sent as 0. */
LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_EnterWithWords_(seL4_Int64 number, seL4_Word *address,
                                                            seL4_MessageInfo_t information, int receives,
                                                            seL4_Word *mr0, seL4_Word *mr1, seL4_Word *mr2,
                                                            seL4_Word *mr3)
{
    seL4_Word *words[4] = {mr0, mr1, mr2, mr3};
    seL4_Word message[4];
    for (int i = 0; i < 4; i++) {
        message[i] = words[i] && seL4_MessageInfo_get_length(information) > (seL4_Word)i ? *words[i] : 0;
    }
    information = seL4_Enter_(number, address, information, message);
    for (int i = 0; i < 4; i++) {
        if (receives && words[i]) {
            *words[i] = message[i];
        }
    }
    return information;
}

LIBSEL4_INLINE_FUNC void seL4_Send(seL4_CPtr dest, seL4_MessageInfo_t msgInfo)
{
    seL4_EnterWithBuffer_(seL4_SysSend, &dest, msgInfo, 1, 0);
}

LIBSEL4_INLINE_FUNC void seL4_SendWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_Word *mr0, seL4_Word *mr1,
                                          seL4_Word *mr2, seL4_Word *mr3)
{
    seL4_EnterWithWords_(seL4_SysSend, &dest, msgInfo, 0, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC void seL4_NBSend(seL4_CPtr dest, seL4_MessageInfo_t msgInfo)
{
    seL4_EnterWithBuffer_(seL4_SysNBSend, &dest, msgInfo, 1, 0);
}

LIBSEL4_INLINE_FUNC void seL4_NBSendWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_Word *mr0, seL4_Word *mr1,
                                            seL4_Word *mr2, seL4_Word *mr3)
{
    seL4_EnterWithWords_(seL4_SysNBSend, &dest, msgInfo, 0, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC void seL4_Reply(seL4_MessageInfo_t msgInfo)
{
    seL4_Word unused = 0;
    seL4_EnterWithBuffer_(seL4_SysReply, &unused, msgInfo, 1, 0);
}

LIBSEL4_INLINE_FUNC void seL4_ReplyWithMRs(seL4_MessageInfo_t msgInfo, seL4_Word *mr0, seL4_Word *mr1, seL4_Word *mr2,
                                           seL4_Word *mr3)
{
    seL4_Word unused = 0;
    seL4_EnterWithWords_(seL4_SysReply, &unused, msgInfo, 0, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC void seL4_Signal(seL4_CPtr dest)
{
    seL4_Word message[4] = {0, 0, 0, 0};
    seL4_Enter_(seL4_SysSend, &dest, seL4_MessageInfo_new(0, 0, 0, 0), message);
}

/* `sender` may be null. */
LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Recv(seL4_CPtr src, seL4_Word *sender)
{
    seL4_MessageInfo_t info = seL4_EnterWithBuffer_(seL4_SysRecv, &src, seL4_MessageInfo_new(0, 0, 0, 0), 0, 1);
    if (sender) {
        *sender = src;
    }
    return info;
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_RecvWithMRs(seL4_CPtr src, seL4_Word *sender, seL4_Word *mr0,
                                                        seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    seL4_MessageInfo_t info =
        seL4_EnterWithWords_(seL4_SysRecv, &src, seL4_MessageInfo_new(0, 0, 0, 0), 1, mr0, mr1, mr2, mr3);
    if (sender) {
        *sender = src;
    }
    return info;
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_NBRecv(seL4_CPtr src, seL4_Word *sender)
{
    seL4_MessageInfo_t info = seL4_EnterWithBuffer_(seL4_SysNBRecv, &src, seL4_MessageInfo_new(0, 0, 0, 0), 0, 1);
    if (sender) {
        *sender = src;
    }
    return info;
}

LIBSEL4_INLINE_FUNC void seL4_Wait(seL4_CPtr src, seL4_Word *sender)
{
    seL4_Recv(src, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Poll(seL4_CPtr src, seL4_Word *sender)
{
    return seL4_NBRecv(src, sender);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_Call(seL4_CPtr dest, seL4_MessageInfo_t msgInfo)
{
    return seL4_EnterWithBuffer_(seL4_SysCall, &dest, msgInfo, 1, 1);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_CallWithMRs(seL4_CPtr dest, seL4_MessageInfo_t msgInfo, seL4_Word *mr0,
                                                        seL4_Word *mr1, seL4_Word *mr2, seL4_Word *mr3)
{
    return seL4_EnterWithWords_(seL4_SysCall, &dest, msgInfo, 1, mr0, mr1, mr2, mr3);
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_ReplyRecv(seL4_CPtr src, seL4_MessageInfo_t msgInfo, seL4_Word *sender)
{
    seL4_MessageInfo_t info = seL4_EnterWithBuffer_(seL4_SysReplyRecv, &src, msgInfo, 1, 1);
    if (sender) {
        *sender = src;
    }
    return info;
}

LIBSEL4_INLINE_FUNC seL4_MessageInfo_t seL4_ReplyRecvWithMRs(seL4_CPtr src, seL4_MessageInfo_t msgInfo,
                                                             seL4_Word *sender, seL4_Word *mr0, seL4_Word *mr1,
                                                             seL4_Word *mr2, seL4_Word *mr3)
{
    seL4_MessageInfo_t info = seL4_EnterWithWords_(seL4_SysReplyRecv, &src, msgInfo, 1, mr0, mr1, mr2, mr3);
    if (sender) {
        *sender = src;
    }
    return info;
}

LIBSEL4_INLINE_FUNC void seL4_Yield(void)
{
    seL4_Word unused = 0, message[4] = {0, 0, 0, 0};
    seL4_Enter_(seL4_SysYield, &unused, seL4_MessageInfo_new(0, 0, 0, 0), message);
}

/* Calls of a debug build with printing: one argument, one result, both in a0. */
LIBSEL4_INLINE_FUNC seL4_Word seL4_EnterDebug_(seL4_Int64 number, seL4_Word argument)
{
    seL4_Word message[4] = {0, 0, 0, 0};
    seL4_Enter_(number, &argument, seL4_MessageInfo_new(0, 0, 0, 0), message);
    return argument;
}

LIBSEL4_INLINE_FUNC void seL4_DebugPutChar(char c)
{
    seL4_EnterDebug_(seL4_SysDebugPutChar, (seL4_Word)c);
}

LIBSEL4_INLINE_FUNC void seL4_DebugPutString(char *str)
{
    for (; *str; str++) {
        seL4_DebugPutChar(*str);
    }
}

LIBSEL4_INLINE_FUNC void seL4_DebugDumpScheduler(void)
{
    seL4_EnterDebug_(seL4_SysDebugDumpScheduler, 0);
}

LIBSEL4_INLINE_FUNC void seL4_DebugHalt(void)
{
    seL4_EnterDebug_(seL4_SysDebugHalt, 0);
}

LIBSEL4_INLINE_FUNC void seL4_DebugSnapshot(void)
{
    seL4_EnterDebug_(seL4_SysDebugSnapshot, 0);
}

/* The type of the capability at this address, as the kernel numbers capabilities; 0 if there is none. */
LIBSEL4_INLINE_FUNC seL4_Uint32 seL4_DebugCapIdentify(seL4_CPtr cap)
{
    return (seL4_Uint32)seL4_EnterDebug_(seL4_SysDebugCapIdentify, cap);
}

/* The name travels as text in the message words of the IPC buffer, with its 0. */
LIBSEL4_INLINE_FUNC void seL4_DebugNameThread(seL4_CPtr tcb, const char *name)
{
    char *text = (char *)seL4_GetIPCBuffer()->msg;
    do {
        *text++ = *name;
    } while (*name++);
    seL4_EnterDebug_(seL4_SysDebugNameThread, tcb);
}
