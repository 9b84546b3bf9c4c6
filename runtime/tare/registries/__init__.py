"""The verbs of registries: login, logout, search."""
