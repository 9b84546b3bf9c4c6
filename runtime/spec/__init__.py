"""What a container is asked to be: values, defaults and the seccomp profile."""
