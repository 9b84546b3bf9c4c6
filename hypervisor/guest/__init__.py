"""What runs inside: a distribution's kernel, our initramfs, and a disk made of an image's layers."""
