"""The `bench` command, and the only place where everything is put together."""
