/*
 * How the kernel is configured: seL4 13.0.0 for riscv64, without MCS, one hart, with FPU, debug build with printing.
 * These headers describe that one kernel, so that nothing in them depends on a CONFIG_ name; they are for programs.
 */
#pragma once

#define CONFIG_ARCH_RISCV 1
#define CONFIG_SEL4_ARCH_RISCV64 1
#define CONFIG_ARCH_RISCV64 1
#define CONFIG_WORD_SIZE 64
#define CONFIG_PT_LEVELS 3
#define CONFIG_HAVE_FPU 1
#define CONFIG_DEBUG_BUILD 1
#define CONFIG_PRINTING 1
#define CONFIG_MAX_NUM_NODES 1
#define CONFIG_NUM_DOMAINS 1
#define CONFIG_NUM_PRIORITIES 256
#define CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS 230
#define CONFIG_RETYPE_FAN_OUT_LIMIT 256
