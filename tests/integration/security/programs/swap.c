/* Exchange two names of a shared volume as fast as it goes (renameat2(2), RENAME_EXCHANGE), for ever; /vol/swaps is
 * there once it has done so a thousand times. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    for (unsigned long swaps = 0;; swaps += renameat2(AT_FDCWD, "/vol/a", AT_FDCWD, "/vol/b", RENAME_EXCHANGE) == 0)
        if (swaps == 1000)
            close(creat("/vol/swaps", 0644));
}
