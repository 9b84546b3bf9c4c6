"""Images from Dockerfiles."""
