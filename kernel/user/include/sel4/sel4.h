/* Everything: types, system calls, invocations, boot information, faults. */
#pragma once

#include <interfaces/sel4_client.h>
#include <sel4/bootinfo.h>
#include <sel4/config.h>
#include <sel4/constants.h>
#include <sel4/faults.h>
#include <sel4/functions.h>
#include <sel4/invocation.h>
#include <sel4/macros.h>
#include <sel4/syscalls.h>
#include <sel4/types.h>
