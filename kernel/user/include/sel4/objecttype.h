/* Types for seL4_Untyped_Retype that every architecture has. */
#pragma once

#include <sel4/simple_types.h>

typedef enum api_object {
    seL4_UntypedObject = 0,
    seL4_TCBObject = 1,
    seL4_EndpointObject = 2,
    seL4_NotificationObject = 3,
    seL4_CapTableObject = 4,
    seL4_NonArchObjectTypeCount = 5
} seL4_ObjectType;

typedef seL4_Word api_object_t;
