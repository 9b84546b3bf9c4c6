/*
 * The floor: makes the system calls of tables (see runtime/linux/program.py) that somebody else has written, and does
 * nothing else. How long that takes is what the kernel takes.
 *
 *     floor SCRIPT
 *
 * SCRIPT holds records: the number of bytes of a table, how many of its words are addresses, which ones, the table.
 * Addresses count from the table's beginning. The first table is executed at once, as preparation. Then the program
 * says "ready" and waits for a line; then it executes each of the others, one after the other, and says for each how
 * many nanoseconds that took and the descriptor (a pidfd) that the table has left in the word its header names. When
 * its input ends it kills and reaps what was born, and ends.
 *
 * One thread; a child shares the memory until it executes (CLONE_VM | CLONE_VFORK) and has a stack of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "cloning into the same memory needs a few instructions, and these are of x86-64"
#endif

enum { NUMBER, ARGUMENT, RESULT = 7, ALLOWED, ON_SUCCESS, ON_FAILURE, ENTRY_WORDS };
enum { FAILED, ERRNO, GO_ON, HEADER_WORDS };
enum { COPY = -1, CHECK = -2, CLONE = -4, RETURN = -5 };
/* struct clone_args, in words */
enum { PIDFD = 1, STACK = 5, STACK_SIZE = 6, CLONE_ARGS_WORDS = 11 };

struct script {
    void *start;
    size_t bytes;
};

struct table {
    const int64_t *words, *address;
    int64_t bytes, addresses;
    int pidfd;
    int64_t took_ns;
};

static int64_t place[1 << 17] __attribute__((aligned(4096)));
static int64_t child_stack[8192] __attribute__((aligned(16)));
static int64_t *pidfd_place;

static void interpret(int64_t *table, int64_t *entry);

static long call(const int64_t *entry)
{
    register long r10 __asm__("r10") = entry[ARGUMENT + 3];
    register long r8 __asm__("r8") = entry[ARGUMENT + 4];
    register long r9 __asm__("r9") = entry[ARGUMENT + 5];
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(entry[NUMBER]), "D"(entry[ARGUMENT]), "S"(entry[ARGUMENT + 1]), "d"(entry[ARGUMENT + 2]),
                       "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* What the child does, on its own stack: the next entry and those after it. */
__attribute__((used, noreturn)) static void live(int64_t *table, int64_t *entry)
{
    table[GO_ON] = entry[ARGUMENT + 2];
    interpret(table, entry + ENTRY_WORDS);
    __builtin_unreachable();
}

static long clone_child(int64_t *table, int64_t *entry)
{
    int64_t args[CLONE_ARGS_WORDS];
    memcpy(args, (void *)entry[ARGUMENT], sizeof args);
    args[STACK] = (int64_t)child_stack;
    args[STACK_SIZE] = sizeof child_stack;
    pidfd_place = (int64_t *)args[PIDFD];
    long result;
    register int64_t *kept_table __asm__("r12") = table;
    register int64_t *kept_entry __asm__("r13") = entry;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %%r12, %%rdi\n\t"
                     "mov %%r13, %%rsi\n\t"
                     "call live\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone3), "D"(args), "S"(sizeof args), "r"(kept_table), "r"(kept_entry)
                     : "rcx", "r11", "memory");
    return result;
}

static int is_allowed(int64_t mask, long number)
{
    return mask == -1 || (number < 64 && (mask >> number & 1));
}

static void interpret(int64_t *table, int64_t *entry)
{
    for (;;) {
        long result;
        switch (entry[NUMBER]) {
        case RETURN:
            return;
        case COPY:
            memcpy((void *)entry[ARGUMENT], (void *)entry[ARGUMENT + 1], entry[ARGUMENT + 2]);
            result = 0;
            break;
        case CHECK:
            result = *(int32_t *)entry[ARGUMENT];
            break;
        case CLONE:
            result = clone_child(table, entry);
            break;
        default:
            result = call(entry);
        }
        entry[RESULT] = result;
        if (result >= 0) {
            entry = (int64_t *)((char *)entry + entry[ON_SUCCESS]);
        } else if (is_allowed(entry[ALLOWED], -result)) {
            entry = (int64_t *)((char *)entry + entry[ON_FAILURE]);
        } else {
            table[FAILED] = (char *)entry - (char *)table;
            table[ERRNO] = -result;
            entry = (int64_t *)table[GO_ON];
        }
    }
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The tables of a script; returns how many. */
static size_t load(const char *path, struct script *script, struct table **tables)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        die(path);
    script->bytes = status.st_size;
    script->start = mmap(NULL, script->bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (script->start == MAP_FAILED)
        die(path);
    close(fd);
    const int64_t *word = script->start, *end = word + script->bytes / 8;
    size_t count = 0;
    *tables = NULL;
    while (word < end) {
        int64_t bytes = word[0], addresses = word[1];
        const int64_t *address = word + 2, *table = address + addresses;
        errno = EFBIG;
        if ((size_t)bytes > sizeof place)
            die("load the script");
        *tables = reallocarray(*tables, count + 1, sizeof **tables);
        if (*tables == NULL)
            die("load the script");
        (*tables)[count++] = (struct table){table, address, bytes, addresses, -1, 0};
        word = table + bytes / 8;
    }
    return count;
}

static void run(struct table *table)
{
    memcpy(place, table->words, table->bytes);
    for (int64_t i = 0; i < table->addresses; i++)
        place[table->address[i] / 8] += (int64_t)place;
    int64_t started = now_ns();
    interpret(place, place + HEADER_WORDS);
    table->took_ns = now_ns() - started;
    if (pidfd_place != NULL)
        table->pidfd = *(int *)pidfd_place;
    if (place[FAILED]) {
        errno = place[ERRNO];
        fprintf(stderr, "%" PRId64 " ", place[FAILED]);
        die("system call");
    }
}

int main(int argc, char **argv)
{
    struct script script;
    struct table *tables;
    char line[16];
    if (argc != 2) {
        fprintf(stderr, "usage: floor SCRIPT\n");
        return 2;
    }
    size_t count = load(argv[1], &script, &tables);
    run(&tables[0]);
    printf("ready\n");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    for (size_t i = 1; i < count; i++)
        run(&tables[i]);
    munmap(script.start, script.bytes); /* or it would count as memory of the containers */
    for (size_t i = 1; i < count; i++)
        printf("%" PRId64 "\n", tables[i].took_ns);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        ;
    for (size_t i = 1; i < count; i++)
        syscall(SYS_pidfd_send_signal, tables[i].pidfd, SIGKILL, NULL, 0);
    for (size_t i = 1; i < count; i++)
        waitid(P_PIDFD, tables[i].pidfd, NULL, WEXITED);
    return 0;
}
