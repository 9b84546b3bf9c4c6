"""Images from and to registries: the client side of the OCI distribution specification, version 1.1."""
