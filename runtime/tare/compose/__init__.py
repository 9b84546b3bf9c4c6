"""`tare compose`: applications of several containers, from the common part of the Compose file format."""
