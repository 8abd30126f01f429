/* The board as a bare program sees it: addresses, registers, and the few routines that every one of them needs. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FINISHER = 0x100000,
  RTC = 0x101000,
  CLINT = 0x2000000,
  PLIC = 0xc000000,
  UART = 0x10000000,
  UART_IRQ = 10,
  VIRTIO = 0x10001000,
  VIRTIO_STRIDE = 0x1000,
};

static inline uint8_t get8(uintptr_t at) { return *(volatile uint8_t *)at; }
static inline void put8(uintptr_t at, uint8_t value) { *(volatile uint8_t *)at = value; }
static inline uint32_t get32(uintptr_t at) { return *(volatile uint32_t *)at; }
static inline void put32(uintptr_t at, uint32_t value) { *(volatile uint32_t *)at = value; }
static inline uint64_t get64(uintptr_t at) { return *(volatile uint64_t *)at; }
static inline void put64(uintptr_t at, uint64_t value) { *(volatile uint64_t *)at = value; }

#define read_csr(name) ({ uint64_t value_; __asm__ volatile("csrr %0, " #name : "=r"(value_)); value_; })
#define write_csr(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uint64_t)(value)) : "memory")
#define set_csr(name, bits) __asm__ volatile("csrs " #name ", %0" ::"r"((uint64_t)(bits)) : "memory")
#define clear_csr(name, bits) __asm__ volatile("csrc " #name ", %0" ::"r"((uint64_t)(bits)) : "memory")

static inline void put_char(char c) { put8(UART, (uint8_t)c); }
static inline void put_text(const char *text) {
  while (*text) put_char(*text++);
}
static inline void put_hex(uint64_t value) {
  put_text("0x");
  for (int shift = 60; shift >= 0; shift -= 4) put_char("0123456789abcdef"[value >> shift & 15]);
}

/* Ends the machine. */
static inline void finish(uint32_t code) {
  put32(FINISHER, code == 0 ? 0x5555 : code << 16 | 0x3333);
  for (;;) __asm__ volatile("wfi");
}
static inline void check(bool holds, const char *what) {
  if (holds) return;
  put_text("failed: ");
  put_text(what);
  put_char('\n');
  finish(1);
}
