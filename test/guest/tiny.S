# The smallest program worth the name: writes "tiny\n" and exits with 3.
        .globl _start
        .section .rodata
text:   .ascii "tiny\n"
        .data
        .balign 8
cell:   .dword 3
        .bss
        .skip 10000
        .text
_start: li a0, 1
        la a1, text
        li a2, 5
        li a7, 64
        ecall
        la a1, cell
        ld a0, 0(a1)
        sd a0, 0(a1)
        li a7, 94
        ecall
