/* Print every open descriptor, except the one it takes to ask: number, kind of file as a letter, and path. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    DIR *table = opendir("/proc/self/fd");
    for (struct dirent *entry; table && (entry = readdir(table));) {
        char target[4096] = "";
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(table))
            continue;
        if (readlinkat(dirfd(table), entry->d_name, target, sizeof target - 1) < 0)
            strcpy(target, "?");
        printf("%d %s\n", fd, target);
    }
    return table == NULL;
}
