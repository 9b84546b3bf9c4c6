"""Whether a program needs a dynamic loader (elf(5)): an image of one file must not."""

from __future__ import annotations

import struct

_PT_INTERP = 3


class NotElf(ValueError):
    """The content is no ELF file of this kind; the message says what it lacks."""


def has_interpreter(content: bytes) -> bool:
    """Whether the ELF file names a loader in a PT_INTERP segment; raises `NotElf`."""
    if content[:4] != b"\x7fELF":
        raise NotElf("no ELF file")
    if content[4:6] != b"\x02\x01":
        raise NotElf("no 64-bit little-endian ELF file")
    try:
        # Elf64_Ehdr: e_phoff at 32, e_phentsize and e_phnum at 54; Elf64_Phdr begins with p_type.
        (offset,) = struct.unpack_from("<Q", content, 32)
        size, count = struct.unpack_from("<HH", content, 54)
        kinds = [struct.unpack_from("<I", content, offset + index * size)[0] for index in range(count)]
    except struct.error:
        raise NotElf("an ELF file cut short") from None
    return _PT_INTERP in kinds
