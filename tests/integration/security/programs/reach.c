/* Reach into another process in every way that ptrace(2) access rights guard; print each way and its errno, 0 if it
 * worked. Arguments: the pid as seen from here. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *way, long result)
{
    printf("%s %d\n", way, result < 0 ? errno : 0);
}

static void open_in_proc(const char *pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    tell(name, open(path, O_RDONLY));
}

int main(int argc, char **argv)
{
    const char *pid = argc > 1 ? argv[1] : "1";
    const char *names[] = {"exe", "root", "cwd", "mem", "maps", "environ", "fd"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        open_in_proc(pid, names[i]);
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    tell("process_vm_readv", process_vm_readv(atoi(pid), &here, 1, &there, 1, 0));
    int pidfd = syscall(SYS_pidfd_open, atoi(pid), 0);
    tell("pidfd_open", pidfd);
    tell("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
    long attached = ptrace(PTRACE_ATTACH, atoi(pid), 0, 0);
    tell("ptrace", attached);
    if (attached == 0) {
        waitpid(atoi(pid), NULL, __WALL);
        ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
    }
    return 0;
}
