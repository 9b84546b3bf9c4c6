"""One process that looks after all containers below a root directory: logs, restarts, health, and what survives it."""
