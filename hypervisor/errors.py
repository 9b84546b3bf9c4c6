"""What can go wrong between a request for a virtual machine and its first answer.

::

    HypervisorError            one sentence; ``hint`` says what to do about it
      HostLacks                a program, library, kernel or privilege is missing on this host
      GuestError               an image cannot be made into a guest (disk, initramfs, kernel)
      DomainError              libvirt or QEMU refused, or the guest failed
        NameTaken              a domain of this name exists already
        GuestPanicked          the guest's kernel panicked; the message ends with the console's last line
      AgentError               a command could not be run inside the guest
        AgentTimeout           it did not end in time, and was killed
"""

from __future__ import annotations


class HypervisorError(Exception):
    """A virtual machine could not do what it was asked; ``hint`` says what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class HostLacks(HypervisorError):
    """The host lacks something that virtual machines need."""


class GuestError(HypervisorError):
    """An image cannot be made into a guest."""


class DomainError(HypervisorError):
    """Libvirt or QEMU refused, or the guest failed."""


class NameTaken(DomainError):
    """A domain of this name exists already."""


class GuestPanicked(DomainError):
    """The guest's kernel panicked."""


class AgentError(HypervisorError):
    """A command could not be run inside the guest."""


class AgentTimeout(AgentError):
    """A command inside the guest did not end in time, and was killed."""
