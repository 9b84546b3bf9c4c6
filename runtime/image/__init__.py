"""OCI images: values of the image-spec, a content-addressed store, layers on disk, reproducible builds."""
