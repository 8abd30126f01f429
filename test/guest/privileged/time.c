/* mtime is written: the time CSR and the timer follow. Nothing here depends on how fast time goes. */
#include "bare.h"

static void times(const char *name, int shift) {
  u64 counted = *MTIME >> shift;
  text(name), field("mtime", counted), field("time", read_csr("time") >> shift), field("timer", read_csr("mip") & 0x80), put('\n');
}

int main(void) {
  *MTIMECMP(0) = 7UL << 32;
  *MTIME = 5UL << 32;
  times("before", 32);
  *MTIME = 7UL << 32;
  times("due", 32);
  *MTIME = 0;
  times("back", 32);
  *MTIME = 1UL << 62;
  times("far", 32);
  *MTIME = 0;
  *MTIMECMP(0) = 1000;
  write_csr("mie", 0x80);
  __asm__ volatile("wfi");
  text("woken"), field("due", *MTIME >= 1000), put('\n');
  text("done\n");
  return 0;
}
