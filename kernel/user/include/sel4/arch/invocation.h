/* Labels of invocations that RISC-V adds. */
#pragma once

#include <sel4/invocation.h>

enum arch_invocation_label {
    RISCVPageTableMap = 30,
    RISCVPageTableUnmap = 31,
    RISCVPageMap = 32,
    RISCVPageUnmap = 33,
    RISCVPageGetAddress = 34,
    RISCVASIDControlMakePool = 35,
    RISCVASIDPoolAssign = 36,
    RISCVIRQIssueIRQHandlerTrigger = 37,
    nArchInvocationLabels = 38,
    /* Of several harts; seL4's kernel for one processor has none such. */
    TCBSetAffinity = 39
};
