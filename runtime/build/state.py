"""An image on its way: its configuration, and what each instruction that makes no files does to it.

The words of the history are those of Docker's classic builder (moby, builder/dockerfile/dispatchers.go).
"""

from __future__ import annotations

import hashlib
import os
import time

from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WITH_FILES = ("ADD ", "COPY ", "WORKDIR ")
_SHELL = ("/bin/sh", "-c")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm", "ppc64le": "ppc64le"}
_VARIANTS = {"armv7l": "v7"}


def host_platform() -> dict[str, str]:
    """``os`` and ``architecture`` as the image-spec has them."""
    machine = os.uname().machine
    platform = {"architecture": _MACHINES.get(machine, machine), "os": "linux"}
    return platform | ({"variant": _VARIANTS[machine]} if machine in _VARIANTS else {})


def now() -> str:
    """RFC 3339, section 5.6, to the nanosecond."""
    seconds, fraction = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09d}Z"


def go_list(words: tuple[str, ...] | list[str]) -> str:
    """As Go's ``%q`` prints a list of strings."""
    return f"[{' '.join(go_quoted(word) for word in words)}]"


def go_quoted(text: str) -> str:
    """As Go's strconv.Quote."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f",
             "\v": "\\v"}  # fmt: skip
    return '"' + "".join(named.get(one) or (one if one.isprintable() else _escaped(one)) for one in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class State:
    """The document of an image's configuration, and the descriptors of its layers, as JSON has them."""

    def __init__(self, document: dict[str, Any], layers: tuple[dict[str, Any], ...]) -> None:
        self.document = document
        self.layers = layers
        self.cmd_is_own = False

    @classmethod
    def empty(cls) -> State:
        """Of ``FROM scratch``."""
        return cls(host_platform() | {"config": {}, "rootfs": {"type": "layers", "diff_ids": []}, "history": []}, ())

    def copy(self) -> State:
        """Another one that starts from here."""
        document = jsontext.loads(jsontext.dumps(self.document))
        config = document.get("config") or {}
        document["config"] = config
        document.setdefault("history", [])
        state = State(document, self.layers)
        if "PATH" not in state.env:
            config["Env"] = [*(config.get("Env") or ()), f"PATH={DEFAULT_PATH}"]
        return state

    @property
    def config(self) -> dict[str, Any]:
        """What runs, and how."""
        config: dict[str, Any] = self.document["config"]
        return config

    @property
    def env(self) -> dict[str, str]:
        """The environment by name."""
        return dict(entry.partition("=")[::2] for entry in self.config.get("Env") or ())

    @property
    def shell(self) -> tuple[str, ...]:
        """What runs commands that are no list."""
        return tuple(self.config.get("Shell") or _SHELL)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Digests of the layers' archives, bottom first."""
        return tuple(self.document["rootfs"].get("diff_ids") or ())

    @property
    def working_dir(self) -> str:
        """Where commands run, and what paths are relative to."""
        return self.config.get("WorkingDir") or "/"

    def put(self, key: str, content: Any) -> None:
        """Set a key of the configuration; what is empty is not stated."""
        if content or content == 0:
            self.config[key] = content
        else:
            self.config.pop(key, None)

    def set_env(self, name: str, content: str) -> None:
        """Set a variable, in its place if there is one."""
        self.config["Env"] = [f"{key}={value}" for key, value in (self.env | {name: content}).items()]

    def comment(self, words: str) -> str:
        """``created_by`` of what ran no command; docker has one blank before what made files, two before the rest."""
        return " ".join((*self.shell, "#(nop)" if words.startswith(_WITH_FILES) else "#(nop) ", words))

    def record(self, created_by: str, created: str, layer: dict[str, Any] | None = None) -> None:
        """One more entry of the history, with a layer or without."""
        entry: dict[str, Any] = {"created": created, "created_by": created_by}
        if self.document.get("author"):
            entry["author"] = self.document["author"]
        if layer is None:
            entry["empty_layer"] = True
        else:
            self.layers = (*self.layers, layer)
            self.document["rootfs"]["diff_ids"] = [*self.diff_ids, layer["digest"]]
        self.document["history"] = [*self.document["history"], entry]
        self.document["created"] = created

    def encode(self) -> bytes:
        """The configuration's blob: the same state gives the same bytes."""
        content = {name: self.document[name] for name in sorted(self.document)}
        return jsontext.dumps(content).encode()

    def manifest(self) -> bytes:
        """The manifest's blob."""
        content = self.encode()
        config = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "size": len(content),
        }
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [_oci_layer(layer) for layer in self.layers],
        }
        return jsontext.dumps(document).encode()

    @property
    def digest(self) -> str:
        """Of the manifest: what the image is."""
        return f"sha256:{hashlib.sha256(self.manifest()).hexdigest()}"


_DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


def _oci_layer(layer: dict[str, Any]) -> dict[str, Any]:
    """The same blob as a layer of an OCI manifest."""
    media_type = _DOCKER_LAYERS.get(layer["mediaType"], layer["mediaType"])
    return {"mediaType": media_type, "digest": layer["digest"], "size": layer["size"]}
