# Beginning of a bare program, and how it does something in another mode and comes back.
.option norvc
.section .text.start
.globl _start
_start:
    csrr t0, mhartid
    la sp, stacks
    li t1, 0x4000
    addi t2, t0, 1
    mul t1, t1, t2
    add sp, sp, t1
    la t1, trapped
    csrw mtvec, t1
    csrw mscratch, zero
    li t1, 0x6000            # mstatus.FS: dirty
    csrs mstatus, t1
    bnez t0, 1f
    call main
    call finish
1:  la t1, other_hart
    ld t1, 0(t1)
    beqz t1, 1b
    mv a0, t0
    jalr t1
2:  wfi
    j 2b

# struct result probe(struct result *into, long mode, void *function, long a0, long a1): calls the function in a mode; it
# ends by returning, or by a trap. What M mode was told of that end is the result. mscratch points to the frame meanwhile.
.globl probe
probe:
    addi sp, sp, -144
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    sd s7, 64(sp)
    sd s8, 72(sp)
    sd s9, 80(sp)
    sd s10, 88(sp)
    sd s11, 96(sp)
    sd a0, 104(sp)
    sd gp, 112(sp)
    sd tp, 120(sp)
    csrw mscratch, sp
    csrw mepc, a2
    li t0, 0x1800
    csrc mstatus, t0
    slli t1, a1, 11
    csrs mstatus, t1
    mv a0, a3
    mv a1, a4
    la ra, back
    mret

.globl back
back:
    ecall

.align 6
.globl trapped
trapped:
    .rept 12                # also the vectors of interrupts
    j 1f
    .endr
1:  csrrw sp, mscratch, sp
    beqz sp, lost
    sd t0, 128(sp)
    sd t1, 136(sp)
    ld t1, 104(sp)
    csrr t0, mcause
    sd t0, 0(t1)
    csrr t0, mtval
    sd t0, 8(t1)
    csrr t0, mepc
    sd t0, 16(t1)
    csrr t0, mstatus
    sd t0, 24(t1)
    sd a0, 32(t1)
    sd a1, 40(t1)
    csrw mscratch, zero
    li t0, 0x80             # and what was enabled before the trap is forgotten
    csrc mstatus, t0
    li t0, 0x20000          # MPRV
    csrc mstatus, t0
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    ld s7, 64(sp)
    ld s8, 72(sp)
    ld s9, 80(sp)
    ld s10, 88(sp)
    ld s11, 96(sp)
    mv a0, t1
    ld gp, 112(sp)
    ld tp, 120(sp)
    addi sp, sp, 144
    ret

# A trap that nobody expected.
lost:
    csrrw sp, mscratch, sp
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call unexpected

# A handler for S mode, which tells M mode by an ecall: scause, sepc and so on are still as they were.
.align 6
.globl delegated
delegated:
    .rept 12
    j 1f
    .endr
1:  ecall
    sret

.section .bss
.align 4
stacks: .skip 0x4000 * 8
