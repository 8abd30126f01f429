/* The first thread's own mistake: told as seL4 tells it, and the end of the program. */
#include "common.h"

int main(void)
{
    seL4_Word page = address(seL4_PageBits);
    volatile seL4_Word *at = (volatile seL4_Word *)page;
    map_in(VSPACE, take(seL4_RISCV_4K_Page, 0), page, seL4_CanRead);
    printf("reads %lu\n", *at);
    fflush(stdout);
    *at = 1;
    return 0;
}
