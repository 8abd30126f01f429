/* Another name under which programs include this. */
#pragma once

#include <utils/zf_log.h>
