"""What a container sees of the file system, planned as data and then mounted."""
