/* The kernel's configuration under the name that build systems generate. */
#pragma once
#include <sel4/config.h>
#include <sel4runtime/gen_config.h>
