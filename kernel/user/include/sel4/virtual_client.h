/* Another name under which programs include this. */
#pragma once

#include <interfaces/sel4_client.h>
