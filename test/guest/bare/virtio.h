/* A virtio driver for one request at a time; completions come by interrupt or are waited for. */
#pragma once
#include "board.h"

struct buffer {
  void *at;
  uint32_t length;
  bool is_written;
};
struct device {
  uint32_t slot;
  uintptr_t registers;
  uint32_t queue;
};
struct descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};
enum { QUEUE_SIZE = 4 };
struct queue {
  struct descriptor table[QUEUE_SIZE];
  struct {
    uint16_t flags, index, ring[QUEUE_SIZE];
  } available;
  struct {
    uint16_t flags, index;
    struct {
      uint32_t head, written;
    } ring[QUEUE_SIZE];
  } used;
};
__attribute__((aligned(16))) static struct queue queues[8][2];

static inline void virtio_acknowledge(uint32_t slot) {
  uintptr_t registers = VIRTIO + slot * VIRTIO_STRIDE;
  put32(registers + 0x64, get32(registers + 0x60));
}

static bool virtio_find(struct device *device, uint32_t kind) {
  for (uint32_t slot = 0; slot < 8; slot++) {
    uintptr_t registers = VIRTIO + slot * VIRTIO_STRIDE;
    if (get32(registers) != 0x74726976 || get32(registers + 4) != 2 || get32(registers + 8) != kind) continue;
    device->slot = slot;
    device->registers = registers;
    device->queue = 0;
    return true;
  }
  return false;
}

static void virtio_set_up(const struct device *device, uint32_t number) {
  uintptr_t r = device->registers;
  struct queue *queue = &queues[device->slot][number];
  put32(r + 0x30, number);
  check(get32(r + 0x34) >= QUEUE_SIZE, "a queue");
  put32(r + 0x38, QUEUE_SIZE);
  put32(r + 0x80, (uint32_t)(uintptr_t)&queue->table);
  put32(r + 0x90, (uint32_t)(uintptr_t)&queue->available);
  put32(r + 0xa0, (uint32_t)(uintptr_t)&queue->used);
  put32(r + 0x44, 1);
}

/* With the first `count` of its queues. */
static void virtio_start(const struct device *device, uint32_t count) {
  uintptr_t r = device->registers;
  put32(r + 0x70, 0);
  put32(r + 0x70, 3);
  put32(r + 0x24, 1);
  put32(r + 0x20, 1);
  put32(r + 0x70, 11);
  check((get32(r + 0x70) & 8) != 0, "the features of version 1");
  for (uint32_t number = 0; number < count; number++) virtio_set_up(device, number);
  put32(r + 0x70, 15);
}

/* Gives the device a request; until it is done, nothing else may be asked for there. */
static void virtio_post(const struct device *device, const struct buffer *buffers, int count) {
  struct queue *queue = &queues[device->slot][device->queue];
  for (int i = 0; i < count; i++) {
    uint16_t flags = (buffers[i].is_written ? 2 : 0) | (i + 1 < count ? 1 : 0);
    queue->table[i] = (struct descriptor){(uintptr_t)buffers[i].at, buffers[i].length, flags, (uint16_t)(i + 1)};
  }
  queue->available.ring[queue->available.index % QUEUE_SIZE] = 0;
  __sync_synchronize();
  queue->available.index++;
  __sync_synchronize();
  put32(device->registers + 0x50, device->queue);
}

static bool virtio_is_done(const struct device *device) {
  struct queue *queue = &queues[device->slot][device->queue];
  return *(volatile uint16_t *)&queue->used.index == queue->available.index;
}

/* Bytes that the device wrote for the last request. */
static inline uint32_t virtio_written(const struct device *device) {
  struct queue *queue = &queues[device->slot][device->queue];
  return queue->used.ring[(uint16_t)(queue->used.index - 1) % QUEUE_SIZE].written;
}

/* Bytes that the device wrote. */
static inline uint32_t virtio_request(const struct device *device, const struct buffer *buffers, int count) {
  virtio_post(device, buffers, count);
  while (!virtio_is_done(device)) __asm__ volatile("nop");
  return virtio_written(device);
}

/* The status that the disk gives. */
static inline uint8_t disk_request(const struct device *disk, uint32_t type, uint64_t number, void *data, uint32_t length) {
  struct {
    uint32_t type, reserved;
    uint64_t sector;
  } header = {type, 0, number};
  volatile uint8_t status = 0xff;
  struct buffer buffers[3] = {{&header, sizeof header, false}, {data, length, type == 0}, {(void *)&status, 1, true}};
  if (length == 0) buffers[1] = buffers[2];
  virtio_request(disk, buffers, length == 0 ? 2 : 3);
  return status;
}
