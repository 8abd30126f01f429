/* Computes for ever. */
volatile unsigned long count;

int main(void)
{
    for (;;) {
        count++;
    }
}
