/* A register machine with 24 operations, dispatched by a switch: a sieve, a sum of squares and a nested loop. */
#include <stdint.h>
#include <stdio.h>

enum { LI, MOV, ADD, SUB, MUL, AND, OR, XOR, SHL, SHR, ADDI, LT, LE, EQ, NE, JMP, JZ, JNZ, LD, ST, INC, DEC, MOD, HALT };
struct op { uint8_t code, a, b, c; int32_t value; };
static uint8_t memory[70000];

static int64_t execute(const struct op *program) {
  int64_t r[16] = {0};
  for (const struct op *p = program;; p++) {
    switch (p->code) {
      case LI: r[p->a] = p->value; break;
      case MOV: r[p->a] = r[p->b]; break;
      case ADD: r[p->a] = r[p->b] + r[p->c]; break;
      case SUB: r[p->a] = r[p->b] - r[p->c]; break;
      case MUL: r[p->a] = r[p->b] * r[p->c]; break;
      case AND: r[p->a] = r[p->b] & r[p->c]; break;
      case OR: r[p->a] = r[p->b] | r[p->c]; break;
      case XOR: r[p->a] = r[p->b] ^ r[p->c]; break;
      case SHL: r[p->a] = r[p->b] << (r[p->c] & 63); break;
      case SHR: r[p->a] = r[p->b] >> (r[p->c] & 63); break;
      case ADDI: r[p->a] = r[p->b] + p->value; break;
      case LT: r[p->a] = r[p->b] < r[p->c]; break;
      case LE: r[p->a] = r[p->b] <= r[p->c]; break;
      case EQ: r[p->a] = r[p->b] == r[p->c]; break;
      case NE: r[p->a] = r[p->b] != r[p->c]; break;
      case JMP: p += p->value; break;
      case JZ: if (!r[p->a]) p += p->value; break;
      case JNZ: if (r[p->a]) p += p->value; break;
      case LD: r[p->a] = memory[r[p->b]]; break;
      case ST: memory[r[p->b]] = (uint8_t)r[p->a]; break;
      case INC: r[p->a]++; break;
      case DEC: r[p->a]--; break;
      case MOD: r[p->a] = r[p->b] % r[p->c]; break;
      default: return r[15];
    }
  }
}

/* Counts primes below r1 in r15, ten times, then adds squares and a checksum. */
static const struct op program[] = {
  {LI, 14, 0, 0, 10}, {LI, 1, 0, 0, 65000}, {LI, 12, 0, 0, 1},
  {LI, 2, 0, 0, 2}, {ST, 12, 2, 0, 0}, {INC, 2, 0, 0, 0}, {LT, 3, 2, 1, 0}, {JNZ, 3, 0, 0, -4},
  {LI, 2, 0, 0, 2},
  {LD, 4, 2, 0, 0}, {JZ, 4, 0, 0, 8},
  {INC, 15, 0, 0, 0}, {ADD, 5, 2, 2, 0},
  {LT, 6, 5, 1, 0}, {JZ, 6, 0, 0, 4}, {LI, 7, 0, 0, 0}, {ST, 7, 5, 0, 0}, {ADD, 5, 5, 2, 0}, {JMP, 0, 0, 0, -6},
  {INC, 2, 0, 0, 0}, {LT, 3, 2, 1, 0}, {JNZ, 3, 0, 0, -13},
  {MUL, 8, 2, 2, 0}, {XOR, 15, 15, 8, 0}, {DEC, 14, 0, 0, 0}, {JNZ, 14, 0, 0, -23},
  {HALT, 0, 0, 0, 0},
};

int main(void) {
  printf("%lld\n", (long long)execute(program));
  return 0;
}
