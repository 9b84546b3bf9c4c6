"""The options of a mount in config.json, sorted by who wants them: the mount, its propagation, or the filesystem.

The table is that of the runtime specification ("Linux mount options" in config.md). What is not in it belongs to the
filesystem and is handed to it as it is.
"""

from __future__ import annotations

from runtime.linux import constants as c
from runtime.values import Value

# What is set, and what is cleared first: times of access are one choice of several.
_ATTRIBUTES = {
    "ro": (c.MOUNT_ATTR_RDONLY, 0), "rw": (0, c.MOUNT_ATTR_RDONLY),
    "nosuid": (c.MOUNT_ATTR_NOSUID, 0), "suid": (0, c.MOUNT_ATTR_NOSUID),
    "nodev": (c.MOUNT_ATTR_NODEV, 0), "dev": (0, c.MOUNT_ATTR_NODEV),
    "noexec": (c.MOUNT_ATTR_NOEXEC, 0), "exec": (0, c.MOUNT_ATTR_NOEXEC),
    "noatime": (c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR_ATIME), "atime": (0, c.MOUNT_ATTR_ATIME),
    "relatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR_ATIME), "norelatime": (0, c.MOUNT_ATTR_ATIME),
    "strictatime": (c.MOUNT_ATTR_STRICTATIME, c.MOUNT_ATTR_ATIME), "nostrictatime": (0, c.MOUNT_ATTR_ATIME),
    "nodiratime": (c.MOUNT_ATTR_NODIRATIME, 0), "diratime": (0, c.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (c.MOUNT_ATTR_NOSYMFOLLOW, 0), "symfollow": (0, c.MOUNT_ATTR_NOSYMFOLLOW),
    "defaults": (0, 0),
}  # fmt: skip
_PROPAGATIONS = {
    "shared": c.MS_SHARED, "private": c.MS_PRIVATE, "slave": c.MS_SLAVE, "unbindable": c.MS_UNBINDABLE,
}  # fmt: skip
# What mount(2) has as flags and every filesystem takes as a word (vfs_parse_sb_flag() of fs/fs_context.c), and what
# takes such a word back. For others there is no word: filesystems that count versions of inodes always do.
_SUPERBLOCK = ("sync", "dirsync", "mand", "lazytime")
_OPPOSITES = {"async": "sync", "nomand": "mand", "nolazytime": "lazytime"}
_OF_NO_EFFECT = ("iversion", "noiversion", "silent", "loud")
_ALONE = {"bind": "bind", "rbind": "rbind", "remount": "remount", "tmpcopyup": "tmpcopyup", "idmap": "idmap",
          "ridmap": "ridmap"}  # fmt: skip


class Attributes(Value):
    """What mount_setattr(2) sets and clears; ``recursive`` the same for everything mounted below."""

    set: int = 0
    clear: int = 0

    def with_option(self, option: str) -> Attributes:
        """A later option has the last word."""
        sets, clears = _ATTRIBUTES[option]
        return Attributes(self.set & ~clears | sets, self.clear & ~sets | clears)


class MountOptions(Value):
    """The options of one mount; ``propagation`` is a flag of mount(2) with MS_REC, ``data`` is the filesystem's."""

    attributes: Attributes = Attributes()
    recursive: Attributes = Attributes()
    propagation: tuple[int, ...] = ()
    data: tuple[str, ...] = ()
    bind: bool = False
    bind_recursive: bool = False
    remount: bool = False
    copy_up: bool = False
    idmap: str | None = None


def parse_options(options: tuple[str, ...]) -> MountOptions:
    """Sort them."""
    attributes, recursive = Attributes(), Attributes()
    propagation: list[int] = []
    data: list[str] = []
    alone = {option for option in options if option in _ALONE}
    for option in options:
        if option in _ATTRIBUTES:
            attributes = attributes.with_option(option)
        elif option[:1] == "r" and option[1:] in _ATTRIBUTES and option != "rdefaults":
            recursive = recursive.with_option(option[1:])
        elif propagation_flag(option):
            propagation.append(propagation_flag(option))
        elif option in _OPPOSITES:
            data = [word for word in data if word != _OPPOSITES[option]]
        elif option not in _ALONE and option not in _OF_NO_EFFECT:
            data.append(option)
    return MountOptions(
        attributes=attributes,
        recursive=recursive,
        propagation=tuple(propagation),
        data=tuple(data),
        bind=bool({"bind", "rbind"} & alone),
        bind_recursive="rbind" in alone,
        remount="remount" in alone,
        copy_up="tmpcopyup" in alone,
        idmap=next((name for name in ("ridmap", "idmap") if name in alone), None),
    )


def propagation_flag(option: str) -> int:
    """The flags of mount(2) for ``private``, ``rslave`` …; 0 for any other word."""
    if option in _PROPAGATIONS:
        return _PROPAGATIONS[option]
    if option[:1] == "r" and option[1:] in _PROPAGATIONS:
        return _PROPAGATIONS[option[1:]] | c.MS_REC
    return 0


def known_options() -> frozenset[str]:
    """Every word that is not simply handed to the filesystem."""
    recursive = {f"r{option}" for option in (*_ATTRIBUTES, *_PROPAGATIONS) if option != "defaults"}
    return frozenset({*_ATTRIBUTES, *_PROPAGATIONS, *_SUPERBLOCK, *_OPPOSITES, *_OF_NO_EFFECT, *_ALONE, *recursive})
