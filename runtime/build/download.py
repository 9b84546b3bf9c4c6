"""The file of an ADD with an address."""

from __future__ import annotations

import os

from runtime.build.errors import BuildError

_CHUNK_BYTES = 1 << 18
_CONNECT_S, _SILENCE_S = 15.0, 60.0
_ACCEPTED = 200
_MODE = 0o600


def download(url: str, path: str) -> None:
    """Get it, with the time that the server says it has; raises `BuildError`."""
    import urllib3

    timeout = urllib3.Timeout(connect=_CONNECT_S, read=_SILENCE_S)
    try:
        with urllib3.PoolManager(timeout=timeout, retries=urllib3.Retry(3, redirect=10)) as pool:
            answer = pool.request("GET", url, preload_content=False, decode_content=False)
            if answer.status != _ACCEPTED:
                raise BuildError(f"download {url}: {answer.status} {answer.reason}")
            with open(path, "wb") as file:
                os.fchmod(file.fileno(), _MODE)
                file.writelines(answer.stream(_CHUNK_BYTES))
            os.utime(path, (_time(answer.headers.get("Last-Modified")),) * 2)
    except urllib3.exceptions.HTTPError as error:
        raise BuildError(f"download {url}: {error}") from error


def _time(text: str | None) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp() if text else 0
    except ValueError:
        return 0
