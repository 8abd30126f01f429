/* A process and its child that have memory in common, and stay. */
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096 };
static char pages[100 * PAGE];

int main(void)
{
    memset(pages, 1, sizeof(pages));
    if (fork() == 0) {
        memset(pages, 2, 30 * PAGE);
    }
    pause();
    return 0;
}
