/* For programs that include this only for what comes with it: nothing here makes processes. */
#pragma once

#include <sel4utils/util.h>
