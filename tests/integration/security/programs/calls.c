/* Try system calls that a default container has no use for; print each name and its errno, 0 if it was let through. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void in_child(const char *name, long (*attempt)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        long result = attempt();
        printf("%s %d\n", name, result < 0 ? errno : 0);
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static long io_uring(void) { char parameters[120] = {0}; return syscall(425, 1, parameters); }
static long userfaultfd(void) { return syscall(SYS_userfaultfd, 1); }
static long bpf(void) { char attributes[128] = {0}; return syscall(SYS_bpf, 0, attributes, sizeof attributes); }
static long keyctl_get(void) { return syscall(SYS_keyctl, 0, -3, 0); }
static long add_key(void) { return syscall(SYS_add_key, "user", "tare-test", "x", 1, -1); }
static long perf(void) { char attributes[128] = {0}; return syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0); }
static long user_and_cgroup(void) { return unshare(CLONE_NEWUSER | CLONE_NEWCGROUP); }
static long user_namespace(void) { return unshare(CLONE_NEWUSER); }
static long cgroup_namespace(void) { return unshare(CLONE_NEWCGROUP); }
static long clone3_user(void)
{
    unsigned long arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(435, arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long mount_cgroup(void)
{
    mkdir("/tmp/cgroup", 0755);
    return mount("none", "/tmp/cgroup", "cgroup", 0, "memory");
}
static long open_by_handle(void)
{
    struct { unsigned int bytes; int type; char handle[128]; } handle = {.bytes = 8, .type = 1};
    return syscall(SYS_open_by_handle_at, open("/", O_RDONLY), &handle, O_RDONLY);
}
static long kexec(void) { return syscall(SYS_kexec_load, 0, 0, 0, 0); }
static long module(void) { return syscall(SYS_init_module, "", 0, ""); }
static long reboot_off(void) { return syscall(SYS_reboot, 0, 0, 0, 0); } /* wrong magic: EINVAL at the most */
static long set_time(void) { return syscall(SYS_clock_settime, 99, NULL); }
static long pivot(void) { return syscall(SYS_pivot_root, ".", "."); }
static long swap(void) { return syscall(SYS_swapoff, "/nothing"); }
static long quota(void) { return syscall(SYS_quotactl, -1, "", 0, NULL); }
static long ports(void) { return syscall(SYS_iopl, 3); }

int main(void)
{
    in_child("io_uring_setup", io_uring);
    in_child("userfaultfd", userfaultfd);
    in_child("bpf", bpf);
    in_child("keyctl", keyctl_get);
    in_child("add_key", add_key);
    in_child("perf_event_open", perf);
    in_child("unshare-user-cgroup", user_and_cgroup);
    in_child("unshare-user", user_namespace);
    in_child("unshare-cgroup", cgroup_namespace);
    in_child("clone3-user", clone3_user);
    in_child("mount-cgroup", mount_cgroup);
    in_child("open_by_handle_at", open_by_handle);
    in_child("kexec_load", kexec);
    in_child("init_module", module);
    in_child("reboot", reboot_off);
    in_child("clock_settime", set_time);
    in_child("pivot_root", pivot);
    in_child("swapoff", swap);
    in_child("quotactl", quota);
    in_child("iopl", ports);
    return 0;
}
