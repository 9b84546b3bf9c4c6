"""The kernel, thinly: system calls, constants, capabilities, seccomp and procfs."""
