"""Virtual machines through libvirt, of the same images that the runtime runs."""
