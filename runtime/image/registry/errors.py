"""What can go wrong with a registry.

::

    RegistryError                anything below; the message is one sentence, ``hint`` says what to do about it
      Unreachable                the connection broke
        NoConnection             there never was one: name, route, port, proxy
        NotSecure                the other end speaks no TLS, or may not be spoken to without
          Untrusted              it has a certificate that nobody here vouches for
        TooSlow                  no answer in time, or one that trickles
      AuthenticationFailed       the registry does not know us (401), or the token service does not
      AccessDenied               it knows us and refuses (403)
      NotInRegistry              no such repository, tag, manifest or blob (404)
      Throttled                  too many requests (429), after all attempts
      RegistryFailed             the registry's own failure (5xx), after all attempts
      RequestRefused             any other refusal, such as of deletion where it is disabled
      UnexpectedAnswer           an answer that the specification does not allow
      CredentialsError           a file of credentials that cannot be read, or a helper that fails
"""

from __future__ import annotations

from runtime.image.errors import ImageError


class RegistryError(ImageError):
    """Something is wrong with a registry; the message names the request, ``hint`` a way out if there is one."""

    # Whether the same request may well succeed a little later.
    transient = False

    def __init__(self, message: str, hint: str = "", *, status: int = 0, retry_after_s: float = 0) -> None:
        super().__init__(message)
        self.hint = hint
        # Of the answer, if there was one.
        self.status = status
        self.retry_after_s = retry_after_s


class Unreachable(RegistryError):
    """The connection broke."""

    transient = True


class NoConnection(Unreachable):
    """There never was a connection: name, route, port, proxy."""

    transient = False


class NotSecure(Unreachable):
    """The other end speaks no TLS, or may not be spoken to without."""

    transient = False


class Untrusted(NotSecure):
    """The other end has a certificate that nobody here vouches for."""


class TooSlow(Unreachable):
    """No answer in time, or one that trickles."""


class AuthenticationFailed(RegistryError):
    """The registry or its token service does not know us."""


class AccessDenied(RegistryError):
    """The registry knows us, and refuses."""


class NotInRegistry(RegistryError):
    """No such repository, tag, manifest or blob."""


class Throttled(RegistryError):
    """Too many requests, after all attempts."""

    transient = True


class RegistryFailed(RegistryError):
    """The registry's own failure, after all attempts."""

    transient = True


class RequestRefused(RegistryError):
    """Any other refusal."""


class UnexpectedAnswer(RegistryError):
    """An answer that the specification does not allow."""


class CredentialsError(RegistryError):
    """A file of credentials that cannot be read, or a helper that fails."""
