"""A container from request to removal."""
