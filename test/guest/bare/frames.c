/*
 * Plays ball by Ethernet: a frame whose first byte of payload is n is answered, to whom it came from, by one with n - 1, and
 * with 0 the machine switches itself off. It says what it caught.
 */
#include "start.h"
#include "virtio.h"

enum { HEADER = 12, FRAME = 60 };
static uint8_t incoming[HEADER + 1514], outgoing[HEADER + FRAME];

uint64_t trap(uint64_t cause, uint64_t pc, uint64_t value) {
  (void)pc, (void)value;
  finish((uint32_t)(cause & 0xff) | 0x100);
  return 0;
}

/* Sleeps until the device interrupts. Interrupts are taken nowhere: that one is pending is enough. */
static void wait_for(const struct device *device) {
  while (!virtio_is_done(device)) {
    __asm__ volatile("wfi");
    uint32_t source = get32(PLIC + 0x200004);
    if (source == 0) continue;
    virtio_acknowledge(source - 1);
    put32(PLIC + 0x200004, source);
  }
}

static void copy(uint8_t *to, const uint8_t *from, int count) {
  for (int i = 0; i < count; i++) to[i] = from[i];
}

static void answer(const struct device *transmit, const uint8_t *frame, uint8_t number) {
  uint8_t *out = outgoing + HEADER;
  copy(out, frame + 6, 6);
  for (int i = 0; i < 6; i++) out[6 + i] = get8(transmit->registers + 0x100 + (uintptr_t)i);
  out[12] = 0x88;
  out[13] = 0xb5;
  out[14] = number;
  struct buffer buffer = {outgoing, sizeof outgoing, false};
  virtio_post(transmit, &buffer, 1);
  wait_for(transmit);
}

void hart_main(uint64_t hart, uint64_t tree) {
  (void)tree;
  if (hart != 0) return;
  struct device receive, transmit;
  check(virtio_find(&receive, 1), "a network device");
  transmit = receive;
  transmit.queue = 1;
  virtio_start(&receive, 2);
  put32(PLIC + 4 * (1 + receive.slot), 1);
  put32(PLIC + 0x2000, 1u << (1 + receive.slot));
  set_csr(mie, 1 << 11);
  put_text("ready\n");
  for (;;) {
    struct buffer buffer = {incoming, sizeof incoming, true};
    virtio_post(&receive, &buffer, 1);
    wait_for(&receive);
    check(virtio_written(&receive) >= HEADER + 15, "a frame with a payload");
    uint8_t number = incoming[HEADER + 14];
    put_text("caught ");
    put_char((char)('0' + number % 10));
    put_char('\n');
    if (number == 0) finish(0);
    answer(&transmit, incoming + HEADER, number - 1);
  }
}
