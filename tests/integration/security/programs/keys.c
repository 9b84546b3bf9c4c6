/* Print the session keyring's serial number, and whether the key whose serial is given can be read or searched. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GET_KEYRING_ID 0
#define READ 11
#define LINK 8
#define SESSION (-3)

int main(int argc, char **argv)
{
    long key = argc > 1 ? atol(argv[1]) : 0;
    char text[64] = "";
    printf("session %ld\n", syscall(SYS_keyctl, GET_KEYRING_ID, SESSION, 0));
    long length = syscall(SYS_keyctl, READ, key, text, sizeof text - 1);
    printf("read %d %s\n", length < 0 ? errno : 0, text);
    printf("link %d\n", syscall(SYS_keyctl, LINK, key, SESSION) < 0 ? errno : 0);
    return 0;
}
