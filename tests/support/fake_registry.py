"""A small registry in Python, for behaviour that no real one has: rules may answer any request in its stead."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from runtime.image.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.image.store import Image, ImageStore

_NAME = r"/v2/(?P<name>.+?)"


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    registry: FakeRegistry

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def dispatch(self) -> None:
        self.body = b""
        self.registry.requests.append(Seen(self.command, self.path, dict(self.headers.items())))
        line = f"{self.command} {self.path}"
        for pattern, act in list(self.registry.rules):
            if re.search(pattern, line) and act(self) is not False:
                return
        self.answer_properly()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = dispatch  # noqa: N815 - http.server's names

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_properly(self) -> None:
        path = urlsplit(self.path).path
        for pattern, method in _ROUTES:
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                method(self, **match.groupdict())
                return
        self.read_body()
        self.answer(200 if path == "/v2/" else 404)

    def get_manifest(self, name: str, ref: str) -> None:
        found = self.registry.manifests.get((name, ref))
        if found is None:
            content = json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode()
            self.answer(404, content)
            return
        media_type, content = found
        self.answer(200, content, Content_Type=media_type, Docker_Content_Digest=str(Digest.of(content)))

    def put_manifest(self, name: str, ref: str) -> None:
        content = self.read_body()
        self.registry.add_manifest(name, ref, self.headers["Content-Type"], content)
        subject = json.loads(content).get("subject")
        more = {}
        if subject and self.registry.has_referrers:
            self.registry.referrers.setdefault(subject["digest"], []).append((self.headers["Content-Type"], content))
            more = {"OCI_Subject": subject["digest"]}
        self.answer(201, Location=self.path, Docker_Content_Digest=str(Digest.of(content)), **more)

    def get_blob(self, name: str, ref: str) -> None:
        content = self.registry.blobs.get(ref)
        if content is None or (name, ref) in self.registry.hidden:
            self.answer(404)
            return
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and self.registry.has_ranges:
            start = int(match[1])
            self.answer(206, content[start:], Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.answer(200, content)

    def start_upload(self, name: str) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "mount" in query and query["mount"][0] in self.registry.blobs and self.registry.has_mounts:
            self.registry.hidden.discard((name, query["mount"][0]))
            self.answer(201, Location=f"/v2/{name}/blobs/{query['mount'][0]}")
            return
        session = str(len(self.registry.uploads) + 1)
        self.registry.uploads[session] = b""
        self.answer(202, Location=f"/v2/{name}/blobs/uploads/{session}?state=x")

    def send_chunk(self, name: str, ref: str) -> None:
        have = len(self.registry.uploads[ref])
        start, _, _ = self.headers["Content-Range"].partition("-")
        content = self.read_body()
        if int(start) != have:
            self.answer(416)
            return
        self.registry.uploads[ref] += content
        self.upload_status(name, ref, 202)

    def upload_status(self, name: str, ref: str, status: int = 204) -> None:
        size = len(self.registry.uploads[ref])
        location = f"/v2/{name}/blobs/uploads/{ref}?state={size}"
        self.answer(status, Location=location, Range=f"0-{max(size - 1, 0)}")

    def finish_upload(self, name: str, ref: str) -> None:
        content = self.registry.uploads.pop(ref) + self.read_body()
        digest = parse_qs(urlsplit(self.path).query)["digest"][0]
        if digest != str(Digest.of(content)):
            self.answer(400, json.dumps({"errors": [{"code": "DIGEST_INVALID", "message": "not so"}]}).encode())
            return
        self.registry.blobs[digest] = content
        self.registry.hidden.discard((name, digest))
        self.answer(201, Location=f"/v2/{name}/blobs/{digest}")

    def list_tags(self, name: str) -> None:
        """Two a page."""
        tags = sorted(ref for repository, ref in self.registry.manifests if repository == name and ":" not in ref)
        last = parse_qs(urlsplit(self.path).query).get("last", [""])[0]
        rest = [tag for tag in tags if tag > last]
        more = {"Link": f'</v2/{name}/tags/list?last={rest[1]}>; rel="next"'} if len(rest) > 2 else {}
        self.answer(200, json.dumps({"name": name, "tags": rest[:2]}).encode(), **more)

    def list_referrers(self, name: str, ref: str) -> None:
        assert name
        if not self.registry.has_referrers:
            self.answer(404)
            return
        entries = []
        for media_type, content in self.registry.referrers.get(ref, []):
            entry: dict[str, Any] = {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
            entries.append(entry | {"artifactType": json.loads(content)["artifactType"]})
        index = {"schemaVersion": 2, "manifests": entries}
        self.answer(200, json.dumps(index).encode(), Content_Type="application/vnd.oci.image.index.v1+json")


_ROUTES: tuple[tuple[str, Callable[..., None]], ...] = (
    (rf"(?:GET|HEAD) {_NAME}/manifests/(?P<ref>[^/]+)", Exchange.get_manifest),
    (rf"PUT {_NAME}/manifests/(?P<ref>[^/]+)", Exchange.put_manifest),
    (rf"(?:GET|HEAD) {_NAME}/blobs/(?P<ref>sha256:[0-9a-f]+)", Exchange.get_blob),
    (rf"POST {_NAME}/blobs/uploads/", Exchange.start_upload),
    (rf"PATCH {_NAME}/blobs/uploads/(?P<ref>\d+)", Exchange.send_chunk),
    (rf"GET {_NAME}/blobs/uploads/(?P<ref>\d+)", Exchange.upload_status),
    (rf"PUT {_NAME}/blobs/uploads/(?P<ref>\d+)", Exchange.finish_upload),
    (rf"GET {_NAME}/tags/list", Exchange.list_tags),
    (rf"GET {_NAME}/referrers/(?P<ref>[^/]+)", Exchange.list_referrers),
)


@dataclass
class FakeRegistry:
    """What it holds, what it was asked, and the rules that come before its own behaviour."""

    host: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    referrers: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    # Blobs that a repository lacks, though another has them.
    hidden: set[tuple[str, str]] = field(default_factory=set)
    requests: list[Seen] = field(default_factory=list)
    rules: list[tuple[str, Callable[[Exchange], bool | None]]] = field(default_factory=list)
    has_ranges: bool = True
    has_mounts: bool = True
    has_referrers: bool = True

    def rule(self, pattern: str, act: Callable[[Exchange], bool | None]) -> None:
        """Have ``act`` answer what matches; if it returns False, the registry answers after all."""
        self.rules.append((pattern, act))

    def add_manifest(self, name: str, ref: str, media_type: str, content: bytes) -> None:
        for key in (ref, str(Digest.of(content))):
            self.manifests[name, key] = (media_type, content)

    def add(self, store: ImageStore, image: Image, name: str, tag: str) -> None:
        """Offer an image of a store."""
        for blob in (image.manifest.config, *image.manifest.layers):
            self.blobs[str(blob.digest)] = store.layout.blobs.path(blob.digest).read_bytes()
        content = store.layout.blobs.read(store.descriptor(image))
        self.add_manifest(name, tag, image.manifest.media_type, content)

    def seen(self, pattern: str) -> list[Seen]:
        """The requests that match, without those that only look for a registry."""
        return [seen for seen in self.requests if re.search(pattern, seen.line)]


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """A registry on a port of its own, until the end."""
    registry = FakeRegistry()
    handler = type("BoundExchange", (Exchange,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # TLS where there is none, for one
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
