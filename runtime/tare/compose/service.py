"""One service of a Compose file, as the flags of ``tare create`` that make its container.

What a key means is what the flag means: the flags are parsed and checked in one place, whoever gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.tare.compose.conditions import CONDITIONS, STARTED
from runtime.tare.compose.reading import Reading, scalar
from runtime.tare.errors import CommandError
from runtime.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

# Keys whose value becomes the value of one flag.
_SINGLE = {
    "cpus": "cpus", "cpuset": "cpuset-cpus", "cpu_shares": "cpu-shares", "domainname": "domainname",
    "hostname": "hostname", "ipc": "ipc", "mac_address": "mac-address", "mem_limit": "memory",
    "mem_reservation": "memory-reservation", "memswap_limit": "memory-swap", "oom_score_adj": "oom-score-adj",
    "pid": "pid", "pids_limit": "pids-limit", "platform": "platform", "restart": "restart", "shm_size": "shm-size",
    "stop_signal": "stop-signal", "user": "user", "uts": "uts", "working_dir": "workdir",
}  # fmt: skip
# Keys of which each item becomes a flag.
_MANY = {
    "cap_add": "cap-add", "cap_drop": "cap-drop", "devices": "device", "dns": "dns", "dns_opt": "dns-option",
    "dns_search": "dns-search", "expose": "expose", "group_add": "group-add", "security_opt": "security-opt",
    "tmpfs": "tmpfs",
}  # fmt: skip
_PAIRS = {"annotations": "annotation", "labels": "label", "sysctls": "sysctl"}
_SWITCHES = {
    "init": "init", "oom_kill_disable": "oom-kill-disable", "privileged": "privileged", "read_only": "read-only",
    "stdin_open": "interactive", "tty": "tty",
}  # fmt: skip
_OWN = (
    "build", "command", "container_name", "depends_on", "deploy", "entrypoint", "env_file", "environment",
    "extra_hosts", "healthcheck", "image", "network_mode", "networks", "ports", "profiles", "pull_policy",
    "stop_grace_period", "ulimits", "volumes",
)  # fmt: skip
KEYS = (*_SINGLE, *_MANY, *_PAIRS, *_SWITCHES, *_OWN)


class Build(Value):
    """How its image is made: as ``tare build``'s flags, and the context."""

    context: str
    flags: tuple[str, ...] = ()


class Need(Value):
    """Another service that comes first, and the condition that it has to meet."""

    service: str
    condition: str = STARTED


class Attached(Value):
    """A network of the file, by its key there, and the flags that say how."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""


class Service(Value):
    """``flags`` are ``tare create``'s; volumes and networks in them are still named as in the file."""

    name: str
    image: str
    container_name: str
    flags: tuple[str, ...]
    command: tuple[str, ...]
    volumes: tuple[str, ...]
    mounts: tuple[tuple[tuple[str, str], ...], ...]
    network_mode: str
    networks: tuple[Attached, ...]
    needs: tuple[Need, ...]
    build: Build | None
    profiles: tuple[str, ...]


def read_service(name: str, content: Any) -> Service:
    """Raises `CommandError`, with the place in the file."""
    reading = Reading(content, f"services.{name}", KEYS)
    build = _build(reading)
    image = reading.text("image")
    if not image and build is None:
        raise CommandError(f"{reading.where}: has neither an image nor a build context")
    entrypoint = reading.words("entrypoint")
    flags = (*_plain_flags(reading), *_process_flags(reading), *_health_flags(reading), *_port_flags(reading))
    volumes, mounts = _volumes(reading)
    return Service(
        name=name,
        image=image,
        container_name=reading.text("container_name"),
        flags=(*flags, *(("--entrypoint", entrypoint[0] if entrypoint else "") if entrypoint is not None else ())),
        command=(*(entrypoint or ())[1:], *(reading.words("command") or ())),
        volumes=volumes,
        mounts=mounts,
        network_mode=reading.text("network_mode"),
        networks=_networks(reading),
        needs=_needs(reading),
        build=build,
        profiles=reading.texts("profiles"),
    )


def _plain_flags(reading: Reading) -> Iterator[str]:
    for key, flag in _SINGLE.items():
        if text := reading.text(key):
            yield f"--{flag}={text}"
    for key, flag in _MANY.items():
        yield from (f"--{flag}={text}" for text in reading.texts(key))
    for key, flag in _PAIRS.items():
        yield from (f"--{flag}={name}={value or ''}" for name, value in reading.pairs(key))
    for key, flag in _SWITCHES.items():
        if reading.flag(key):
            yield f"--{flag}"


def _process_flags(reading: Reading) -> Iterator[str]:
    yield from (f"--env-file={path}" for path in reading.texts("env_file"))
    for name, value in reading.pairs("environment"):
        yield f"--env={name}" if value is None else f"--env={name}={value}"
    for name, value in reading.pairs("extra_hosts", ":"):
        yield f"--add-host={name}:{value or ''}"
    for name, item in reading.mappings("ulimits"):
        yield f"--ulimit={name}={_ulimit(reading, name, item)}"
    if grace := reading.text("stop_grace_period"):
        from runtime.tare.durations import parse_duration

        yield f"--stop-timeout={round(parse_duration(grace))}"
    deploy = Reading(reading.raw("deploy"), reading.at("deploy"), ("resources", "restart_policy", "replicas"))
    if deploy.text("replicas") not in {"", "1"}:
        raise CommandError(f"{deploy.at('replicas')}: more than one container a service is not supported")
    resources = Reading(deploy.raw("resources"), deploy.at("resources"), ("limits", "reservations"))
    limits = Reading(resources.raw("limits"), resources.at("limits"), ("cpus", "memory", "pids"))
    for key, flag in {"cpus": "cpus", "memory": "memory", "pids": "pids-limit"}.items():
        if text := limits.text(key):
            yield f"--{flag}={text}"


def _ulimit(reading: Reading, name: str, item: Any) -> str:
    if not isinstance(item, dict):
        return scalar(item, f"{reading.at('ulimits')}.{name}")
    both = Reading(item, f"{reading.at('ulimits')}.{name}", ("soft", "hard"))
    return f"{both.text('soft')}:{both.text('hard')}"


def _health_flags(reading: Reading) -> Iterator[str]:
    keys = {
        "interval": "interval", "timeout": "timeout", "retries": "retries", "start_period": "start-period",
        "start_interval": "start-interval",
    }  # fmt: skip
    health = Reading(reading.raw("healthcheck"), reading.at("healthcheck"), ("test", "disable", *keys))
    test = health.raw("test")
    if health.flag("disable") or test in ("NONE", ["NONE"]):
        yield "--no-healthcheck"
        return
    if test is not None:
        yield f"--health-cmd={_health_command(health)}"
    yield from (f"--health-{flag}={text}" for key, flag in keys.items() if (text := health.text(key)))


def _health_command(health: Reading) -> str:
    """The flag takes a command of the shell: words that are none are quoted for it."""
    import shlex

    if not isinstance(health.raw("test"), list):
        return health.text("test")
    kind, *words = health.texts("test") or ("",)
    if kind == "CMD-SHELL":
        return " ".join(words)
    if kind != "CMD":
        raise CommandError(f"{health.at('test')}: begins with NONE, CMD or CMD-SHELL, not {kind!r}")
    return shlex.join(words)


def _port_flags(reading: Reading) -> Iterator[str]:
    content = reading.raw("ports")
    for number, item in enumerate(content if isinstance(content, list) else reading.texts("ports")):
        where = f"{reading.at('ports')}[{number}]"
        if not isinstance(item, dict):
            yield f"--publish={scalar(item, where)}"
            continue
        port = Reading(item, where, ("target", "published", "protocol", "host_ip", "mode", "name", "app_protocol"))
        host = ":".join(filter(None, (port.text("host_ip"), port.text("published") or (port.text("host_ip") and "0"))))
        yield f"--publish={host + ':' if host else ''}{port.text('target')}/{port.text('protocol') or 'tcp'}"


def _volumes(reading: Reading) -> tuple[tuple[str, ...], tuple[tuple[tuple[str, str], ...], ...]]:
    """Those in the short syntax, ``SOURCE:TARGET:OPTIONS``, and those in the long one, as ``--mount``'s fields."""
    content = reading.raw("volumes")
    short, long = [], []
    for number, item in enumerate(content if isinstance(content, list) else ()):
        where = f"{reading.at('volumes')}[{number}]"
        if isinstance(item, dict):
            mount = Reading(item, where, ("type", "source", "target", "read_only", "bind", "volume", "tmpfs"))
            long.append(tuple(_mount_fields(mount)))
        else:
            short.append(scalar(item, where))
    return tuple(short), tuple(long)


def _mount_fields(mount: Reading) -> Iterator[tuple[str, str]]:
    yield from ((key, text) for key in ("type", "source", "target") if (text := mount.text(key)))
    if mount.flag("read_only"):
        yield "readonly", "true"
    bind = Reading(mount.raw("bind"), mount.at("bind"), ("propagation", "create_host_path"))
    if bind.text("propagation"):
        yield "bind-propagation", bind.text("propagation")
    if Reading(mount.raw("volume"), mount.at("volume"), ("nocopy",)).flag("nocopy"):
        yield "volume-nocopy", "true"
    tmpfs = Reading(mount.raw("tmpfs"), mount.at("tmpfs"), ("size", "mode"))
    yield from ((f"tmpfs-{key}", text) for key in ("size", "mode") if (text := tmpfs.text(key)))


def _networks(reading: Reading) -> tuple[Attached, ...]:
    if not isinstance(reading.raw("networks"), dict):
        return tuple(Attached(name) for name in reading.texts("networks"))
    return tuple(_attached(reading, name, item) for name, item in reading.mappings("networks"))


def _attached(reading: Reading, name: str, item: Any) -> Attached:
    how = Reading(item, f"{reading.at('networks')}.{name}", ("aliases", "ipv4_address"))
    return Attached(name, how.texts("aliases"), how.text("ipv4_address"))


def _needs(reading: Reading) -> tuple[Need, ...]:
    if not isinstance(reading.raw("depends_on"), dict):
        return tuple(Need(name) for name in reading.texts("depends_on"))
    return tuple(_need(reading, name, item) for name, item in reading.mappings("depends_on"))


def _need(reading: Reading, name: str, item: Any) -> Need:
    how = Reading(item, f"{reading.at('depends_on')}.{name}", ("condition", "required", "restart"))
    condition = how.text("condition") or STARTED
    if condition not in CONDITIONS:
        raise CommandError(f"{how.at('condition')}: {condition!r} is none of {', '.join(CONDITIONS)}")
    return Need(name, condition)


def _build(reading: Reading) -> Build | None:
    content = reading.raw("build")
    if content is None:
        return None
    if isinstance(content, str):
        return Build(content)
    build = Reading(
        content, reading.at("build"), ("context", "dockerfile", "args", "target", "labels", "network", "no_cache")
    )
    flags = [f"--build-arg={name}" if value is None else f"--build-arg={name}={value}"
             for name, value in build.pairs("args")]  # fmt: skip
    flags += [f"--label={name}={value or ''}" for name, value in build.pairs("labels")]
    flags += [f"--{key}={build.text(key)}" for key in ("target", "network") if build.text(key)]
    if build.text("dockerfile"):
        flags.append(f"--file={build.text('dockerfile')}")
    if build.flag("no_cache"):
        flags.append("--no-cache")
    return Build(build.text("context") or ".", tuple(flags))
