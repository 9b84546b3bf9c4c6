"""The image configuration: what runs, as whom, on top of which layers (image-spec, config.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runtime.image.descriptor import Platform
from runtime.image.digest import Digest
from runtime.image.document import Document, encode
from runtime.image.errors import InvalidDigest

if TYPE_CHECKING:
    from collections.abc import Mapping

# What of ``config`` has a field of its own.
_MEMBERS = frozenset(
    ("Entrypoint", "Cmd", "Env", "User", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal")
)


@dataclass(frozen=True, slots=True)
class History:
    """How one layer came about; an empty one changed the configuration only."""

    created_by: str = ""
    created: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Read one element of ``history``."""
        return cls(
            created_by=document.text("created_by", ""),
            created=document.text("created", ""),
            author=document.text("author", ""),
            comment=document.text("comment", ""),
            empty_layer=document.value.get("empty_layer") is True,
        )

    def to_json(self) -> dict[str, Any]:
        """As the image-spec writes it."""
        json: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in json.items() if value}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image runs by default. Empty is *not stated*; the words are those of the image-spec."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    stop_signal: str = ""
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
    platform: Platform = field(default_factory=Platform.host)
    created: str = ""
    author: str = ""
    # The other members of ``config`` as they are, Docker's Healthcheck, Shell, OnBuild and StopTimeout among them.
    extensions: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def argv(self) -> tuple[str, ...]:
        """What is executed: entrypoint, then cmd."""
        return self.entrypoint + self.cmd

    @classmethod
    def parse(cls, content: bytes, name: str) -> Self:
        """The configuration in ``content``; raises `InvalidDocument` naming ``name`` and the place."""
        document = Document.parse(content, name)
        config = document.child("config")
        return cls(
            entrypoint=config.texts("Entrypoint"),
            cmd=config.texts("Cmd"),
            env=config.texts("Env"),
            user=config.text("User", ""),
            working_dir=config.text("WorkingDir", ""),
            exposed_ports=config.names("ExposedPorts"),
            volumes=config.names("Volumes"),
            labels=config.mapping("Labels"),
            stop_signal=config.text("StopSignal", ""),
            diff_ids=_diff_ids(document.child("rootfs")),
            history=tuple(History.from_json(item) for item in document.children("history")),
            platform=Platform.from_json(document),
            created=document.text("created", ""),
            author=document.text("author", ""),
            extensions={key: value for key, value in config.value.items() if key not in _MEMBERS and value is not None},
        )

    def to_json(self) -> dict[str, Any]:
        """As the image-spec writes it; what is not stated is left out."""
        json = self.platform.to_json() | {
            "config": self._execution_json(),
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in self.diff_ids]},
            "history": [item.to_json() for item in self.history],
            "created": self.created,
            "author": self.author,
        }
        return {name: value for name, value in json.items() if value}

    def encode(self) -> bytes:
        """The bytes of the configuration blob."""
        return encode(self.to_json())

    def _execution_json(self) -> dict[str, Any]:
        json: dict[str, Any] = dict(self.extensions) | {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Env": list(self.env),
            "User": self.user,
            "WorkingDir": self.working_dir,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Volumes": {path: {} for path in self.volumes},
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
        }
        return {name: value for name, value in json.items() if value}


def _diff_ids(rootfs: Document) -> tuple[Digest, ...]:
    if (kind := rootfs.text("type", "layers")) != "layers":
        rootfs.fail("type", f"expected 'layers', not {kind!r}")
    diff_ids: list[Digest] = []
    for index, text in enumerate(rootfs.texts("diff_ids")):
        try:
            diff_ids.append(Digest.parse(text))
        except InvalidDigest as error:
            rootfs.fail(f"diff_ids[{index}]", str(error))
    return tuple(diff_ids)
