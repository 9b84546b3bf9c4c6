"""One blob into a repository: it is there, or it is mounted, or it is sent, in one piece or in chunks."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from runtime.image.digest import CHUNK_BYTES, Digest
from runtime.image.errors import CorruptBlob
from runtime.image.registry.errors import RegistryError
from runtime.image.registry.progress import Status
from runtime.image.registry.session import Session
from runtime.image.registry.transport import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from runtime.image.descriptor import Descriptor
    from runtime.image.digest import Readable
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.endpoint import Repository
    from runtime.image.registry.parallel import Stopped
    from runtime.image.registry.progress import Reporter

_GAP = 416  # the registry misses bytes before those it got
# A session that is refused to be mounted in is not begun for every repository there is.
_MAX_SOURCES = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """So many bytes of a blob. ``done`` gets ``running``, the hash of all before them, when they have gone into it."""

    descriptor: Descriptor
    start: int
    size_bytes: int
    stopped: Stopped
    running: hashlib._Hash | None = None
    done: Callable[[hashlib._Hash], None] = lambda _: None


class Upload:
    """Blobs into ``repository``; ``open_at(descriptor, offset)`` gives their bytes, as often as need be."""

    def __init__(
        self,
        client: RegistryClient,
        repository: Repository,
        open_at: Callable[[Descriptor, int], AbstractContextManager[Readable]],
        report: Reporter,
    ) -> None:
        self.client = client
        self.repository = repository
        self._open_at = open_at
        self._report = report

    def run(self, descriptor: Descriptor, stopped: Stopped, sources: Sequence[str] = ()) -> None:
        """See to it that the repository has the blob; ``sources`` are repositories of the same registry that do."""
        if self.client.has_blob(self.repository, descriptor):
            self._report(descriptor, Status.EXISTS, descriptor.size_bytes)
            return
        for source in sources[:_MAX_SOURCES]:
            if self._mount(descriptor, source):
                self._report(descriptor, Status.MOUNTED, descriptor.size_bytes, source)
                return
        # A session that broke is worth nothing unless it was chunked: begin anew.
        self.client.transport.retrying(lambda: self._send(descriptor, stopped))
        self._report(descriptor, Status.PUSHED, descriptor.size_bytes)

    def _mount(self, descriptor: Descriptor, source: str) -> bool:
        session = self._session(descriptor)
        with suppress(RegistryError):  # not allowed to read there, or not known: then it is sent
            if session.mount(descriptor.digest, source):
                return True
        session.cancel()
        return False

    def _send(self, descriptor: Descriptor, stopped: Stopped) -> None:
        session = self._session(descriptor)
        session.start()
        try:
            chunk_bytes = max(self.client.settings.chunk_bytes, session.minimum_chunk_bytes)
            if descriptor.size_bytes > chunk_bytes:
                _Chunks(self, descriptor, session, stopped).send(chunk_bytes)
            else:
                whole = Piece(descriptor, 0, descriptor.size_bytes, stopped)
                session.send_whole(self.body(whole), descriptor.digest)
        except BaseException:
            session.cancel()
            raise

    def body(self, piece: Piece) -> Body:
        """The bytes of a piece, reported as they go."""

        @contextmanager
        def opened() -> Iterator[Readable]:
            with self._open_at(piece.descriptor, piece.start) as stream:
                reader = _Slice(stream, piece.size_bytes, piece.running.copy() if piece.running else None)
                reader.told = lambda size: self._tell(piece, size)
                yield reader
                if reader.running and not reader.left:
                    piece.done(reader.running)

        return Body(opened, piece.size_bytes)

    def open_at(self, descriptor: Descriptor, offset: int) -> AbstractContextManager[Readable]:
        """The content from ``offset`` on."""
        return self._open_at(descriptor, offset)

    def retrying(self, attempt: Callable[[], int]) -> int:
        """What the attempt returns, as often as the settings allow."""
        return self.client.transport.retrying(attempt)

    def _tell(self, piece: Piece, size: int) -> None:
        if piece.stopped.is_set():
            raise RegistryError(f"push blob {piece.descriptor.digest}: given up, another one failed")
        self._report(piece.descriptor, Status.PUSHING, piece.start + size)

    def _session(self, descriptor: Descriptor) -> Session:
        what = f"push blob {self.repository}@{descriptor.digest}"
        return Session(self.client, self.repository, what)


class _Chunks:
    """A blob in pieces; after a failure the registry is asked how much it has, and there it goes on."""

    def __init__(self, upload: Upload, descriptor: Descriptor, session: Session, stopped: Stopped) -> None:
        self._upload = upload
        self._descriptor = descriptor
        self._session = session
        self._stopped = stopped
        # Of all bytes before an offset: what is sent a second time must not count twice.
        self._hashes = {0: hashlib.new(descriptor.digest.algorithm)}

    def send(self, chunk_bytes: int) -> None:
        offset = 0
        while offset < self._descriptor.size_bytes:
            start, end = offset, min(offset + chunk_bytes, self._descriptor.size_bytes)
            offset = self._upload.retrying(partial(self._send_one, start, end))
        digest = Digest(self._descriptor.digest.algorithm, self._hash(offset).hexdigest())
        if digest != self._descriptor.digest:
            raise CorruptBlob(f"push blob {self._descriptor.digest}: its content in the store has digest {digest}")
        self._session.finish(digest)

    def _send_one(self, start: int, end: int) -> int:
        """Send a chunk; up to where the registry has everything then."""
        keep = partial(self._hashes.__setitem__, end)
        piece = Piece(self._descriptor, start, end - start, self._stopped, self._hash(start), keep)
        try:
            self._session.send_chunk(self._upload.body(piece), start)
        except RegistryError as error:
            if not error.transient and error.status != _GAP:
                raise
            received = self._session.received_bytes()
            if received in {start, 0} or received > self._descriptor.size_bytes:
                raise
            return received
        return end

    def _hash(self, offset: int) -> hashlib._Hash:
        """The hash of all before ``offset``, which need not be where a chunk ended."""
        known = max(place for place in self._hashes if place <= offset)
        running = self._hashes[known].copy()
        if known < offset:
            with self._upload.open_at(self._descriptor, known) as stream:
                reader = _Slice(stream, offset - known, running)
                while reader.read(CHUNK_BYTES):
                    pass
        self._hashes[offset] = running
        return running


class _Slice:
    """So many bytes of a stream, told and hashed as they go."""

    def __init__(self, stream: Readable, size: int, running: hashlib._Hash | None) -> None:
        self._stream = stream
        self._size = self.left = size
        self.running = running
        self.told: Callable[[int], None] = lambda _: None

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all that is left if negative."""
        if not self.left:
            if self.running is None:
                self._stream.read(1)  # a verifying stream gives its verdict with the last read
            return b""
        data = self._stream.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        if self.running is not None:
            self.running.update(data)
        self.told(self._size - self.left)
        return data
