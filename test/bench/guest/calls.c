/* Call-heavy: naive recursion, Ackermann's function, a tree of nodes visited through function pointers. */
#include <stdint.h>
#include <stdio.h>

static uint64_t fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static unsigned ackermann(unsigned m, unsigned n) { return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)); }

struct node;
typedef uint64_t (*visit)(const struct node *);
struct node { visit visit; const struct node *left, *right; uint64_t value; };
static struct node nodes[1 << 12];
static uint64_t sum(const struct node *n) { return n->value + (n->left ? n->left->visit(n->left) : 0) + (n->right ? n->right->visit(n->right) : 0); }
static uint64_t mix(const struct node *n) { return n->value * 31 ^ (n->left ? n->left->visit(n->left) : 1) ^ (n->right ? n->right->visit(n->right) : 2); }

int main(void) {
  for (int i = 0; i < 1 << 12; i++) {
    const struct node *l = 2 * i + 1 < 1 << 12 ? &nodes[2 * i + 1] : 0, *r = 2 * i + 2 < 1 << 12 ? &nodes[2 * i + 2] : 0;
    nodes[i] = (struct node){i % 3 ? sum : mix, l, r, i};
  }
  uint64_t total = fib(32) + ackermann(2, 3500);
  for (int i = 0; i < 2500; i++) total += nodes[0].visit(&nodes[0]);
  printf("%llu\n", (unsigned long long)total);
  return 0;
}
