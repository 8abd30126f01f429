/*
 * Where harts begin: each gets a stack and calls hart_main(hart, device_tree). Traps to M mode call trap(), on the stack
 * of whatever was executing: what runs in S mode here sees memory where M mode sees it.
 */
#pragma once
#include "board.h"

void hart_main(uint64_t hart, uint64_t tree);
/* What to do next is up to the handler: it returns the address at which to go on. */
uint64_t trap(uint64_t cause, uint64_t pc, uint64_t value);

__attribute__((aligned(16), used)) static char stacks[8][8192];

__asm__(
    ".section .text.startup, \"ax\"\n"
    ".globl _start\n"
    "_start:\n"
    ".option push\n.option norelax\n"
    "  la gp, __global_pointer$\n" /* the linker takes it for granted */
    ".option pop\n"
    "  la sp, stacks\n"
    "  addi t0, a0, 1\n"
    "  slli t0, t0, 13\n"
    "  add sp, sp, t0\n"
    "  la t0, trap_entry\n"
    "  csrw mtvec, t0\n"
    "  li t0, 0x6000\n" /* floating point on */
    "  csrs mstatus, t0\n"
    "  call hart_main\n"
    "1: wfi\n"
    "  j 1b\n"
    ".text\n"
    ".balign 4\n"
    "trap_entry:\n"
    "  addi sp, sp, -160\n"
    "  sd ra, 0(sp)\n  sd t0, 8(sp)\n  sd t1, 16(sp)\n  sd t2, 24(sp)\n  sd t3, 32(sp)\n"
    "  sd t4, 40(sp)\n  sd t5, 48(sp)\n  sd t6, 56(sp)\n  sd a0, 64(sp)\n  sd a1, 72(sp)\n"
    "  sd a2, 80(sp)\n  sd a3, 88(sp)\n  sd a4, 96(sp)\n  sd a5, 104(sp)\n  sd a6, 112(sp)\n  sd a7, 120(sp)\n"
    "  csrr a0, mcause\n  csrr a1, mepc\n  csrr a2, mtval\n"
    "  call trap\n"
    "  csrw mepc, a0\n"
    "  ld ra, 0(sp)\n  ld t0, 8(sp)\n  ld t1, 16(sp)\n  ld t2, 24(sp)\n  ld t3, 32(sp)\n"
    "  ld t4, 40(sp)\n  ld t5, 48(sp)\n  ld t6, 56(sp)\n  ld a0, 64(sp)\n  ld a1, 72(sp)\n"
    "  ld a2, 80(sp)\n  ld a3, 88(sp)\n  ld a4, 96(sp)\n  ld a5, 104(sp)\n  ld a6, 112(sp)\n  ld a7, 120(sp)\n"
    "  addi sp, sp, 160\n"
    "  mret\n");
