"""A config.json of the OCI runtime specification 1.3, as values (runtime-spec, config.md)."""

from __future__ import annotations

from runtime.spec.execution import parse_environment, parse_process
from runtime.spec.linux import Linux, parse_linux
from runtime.spec.namespaces import parse_mappings
from runtime.spec.reader import I64, Reader, SpecError
from runtime.spec.version import check_version
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.execution import OciProcess
    from runtime.spec.namespaces import IdMapping

MOMENTS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
"""The hooks of the specification, in the order of a container's life."""


class Root(Value):
    """The root filesystem; a ``path`` that is not absolute starts at the bundle."""

    path: str
    readonly: bool = False


class Mount(Value):
    """``destination`` is absolute; a ``source`` of a bind mount that is not absolute starts at the bundle."""

    destination: str
    type: str | None = None
    source: str | None = None
    options: tuple[str, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()


class Hook(Value):
    """A program at a moment of the life cycle; ``timeout`` in seconds. ``args`` has argv[0], and may be empty."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class Hooks(Value):
    """By moment, in the order in which they are run."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


class Config(Value):
    """The whole file; what is absent is None, empty or false."""

    oci_version: str
    root: Root
    process: OciProcess | None = None
    hostname: str | None = None
    domainname: str | None = None
    mounts: tuple[Mount, ...] = ()
    hooks: Hooks = Hooks()
    annotations: tuple[tuple[str, str], ...] = ()
    linux: Linux = Linux()


def parse_config(value: object) -> Config:
    """A decoded config.json as a value; raises `SpecError`."""
    reader = Reader(value)
    version = reader.required_string("ociVersion")
    check_version(version)
    process, linux = reader.raw_object("process"), reader.raw_object("linux")
    return _with_own_names(Config(
        oci_version=version,
        root=_root(reader),
        process=None if process is None else parse_process(process),
        hostname=reader.string("hostname"),
        domainname=reader.string("domainname"),
        mounts=tuple(_mount(entry) for entry in reader.objects("mounts")),
        hooks=_hooks(reader.child("hooks")),
        annotations=reader.pairs("annotations"),
        linux=Linux() if linux is None else parse_linux(linux),
    ))  # fmt: skip


def _with_own_names(config: Config) -> Config:
    """Names are the UTS namespace's: without one of its own the container would rename the host."""
    for name, wanted in (("hostname", config.hostname), ("domainname", config.domainname)):
        if wanted is not None and config.linux.namespace("uts") is None:
            raise SpecError(name, "needs the uts namespace in linux.namespaces")
    return config


def _root(reader: Reader) -> Root:
    root = reader.child("root")
    if root is None:
        raise reader.error("root", "is missing")
    return Root(root.required_string("path"), root.flag("readonly"))


def _mount(reader: Reader) -> Mount:
    """A destination that is relative starts at the root, as it did in the specification 1.0."""
    destination = reader.required_string("destination")
    uid_mappings, gid_mappings = (parse_mappings(reader, name) for name in ("uidMappings", "gidMappings"))
    if bool(uid_mappings) != bool(gid_mappings):
        raise reader.error("gidMappings" if uid_mappings else "uidMappings", "is missing, and the other is there")
    return Mount(
        destination=destination if destination.startswith("/") else f"/{destination}",
        type=reader.string("type"),
        source=reader.string("source"),
        options=reader.strings("options"),
        uid_mappings=uid_mappings,
        gid_mappings=gid_mappings,
    )


def _hooks(reader: Reader | None) -> Hooks:
    if reader is None:
        return Hooks()
    return Hooks(*(tuple(_hook(entry) for entry in reader.objects(moment)) for moment in MOMENTS))


def _hook(reader: Reader) -> Hook:
    return Hook(
        path=reader.absolute_path("path"),
        args=reader.strings("args"),
        env=parse_environment(reader, "env"),
        timeout=reader.integer("timeout", (1, I64[1])),
    )
