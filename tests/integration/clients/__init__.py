"""A package, so that its fixtures end with its last test, and engines that run disturb no other."""
