// flags: -nostdlib -ffreestanding -fno-stack-protector -fPIC -shared -Wl,-init,mark
/* A library of a hostile image, under the name of one that a runtime may load: it leaves a mark where it is loaded. */
static long call(long number, long one, long two, long three)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(three) : "rcx", "r11", "memory");
    return result;
}

void mark(void)
{
    call(85, (long)"/mark-library", 0644, 0); /* creat */
}
