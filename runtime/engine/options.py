"""What a container is asked to be: values that `create` takes, with Docker's defaults.

An empty text, an empty tuple and a zero mean *not asked for*: what the image says holds, or Docker's default. Sizes
are bytes; a limit of -1 is *none*.
"""

from __future__ import annotations

from runtime.values import Value

SHM_BYTES = 64 << 20


class HealthOptions(Value):
    """``test`` as an image has it: ``("CMD", …)``, ``("CMD-SHELL", SCRIPT)`` or ``("NONE",)``; empty is the image's.

    Zero is the image's, and without that the default.
    """

    test: tuple[str, ...] = ()
    interval_s: float = 0.0
    timeout_s: float = 0.0
    retries: int = 0
    start_period_s: float = 0.0
    start_interval_s: float = 0.0


class MountOption(Value):
    """``kind`` is bind, volume or tmpfs; ``source`` a path, or a volume's name, empty for one without.

    ``make_source`` makes the directory that is to be bound where it is missing, as ``-v`` does and ``--mount`` does
    not. ``copy`` fills a volume that is empty with what the image has there.
    """

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    make_source: bool = False
    propagation: str = ""
    recursive: bool = True
    copy: bool = True
    labels: tuple[tuple[str, str], ...] = ()
    size_bytes: int = 0
    mode: int = 0
    data: tuple[str, ...] = ()


class PublishedPort(Value):
    """``count`` ports from ``port`` on at the host's from ``host_port`` on, 0 for any; ``host_ip`` empty is all.

    With ``host_last`` the one port may be at any of the host's up to that one.
    """

    port: int
    host_port: int = 0
    protocol: str = "tcp"
    host_ip: str = ""
    count: int = 1
    host_last: int = 0


class DeviceOption(Value):
    """A device of the host, at a path in the container; ``access`` of r, w and m."""

    source: str
    target: str
    access: str = "rwm"


class Ulimit(Value):
    """``name`` as nofile; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Endpoint(Value):
    """A network that a container is to be in, and how."""

    network: str
    aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac: str = ""


class Limits(Value):
    """What `Containers.update` changes; what is None stays as it is."""

    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids_limit: int | None = None
    blkio_weight: int | None = None
    restart: str | None = None


class CreateOptions(Value):
    """A whole container. ``entrypoint`` None is the image's; an empty one clears that, and the image's command too.

    ``env`` are ``NAME=VALUE``, or ``NAME`` to take one away. ``restart`` is no, always, unless-stopped or
    on-failure[:N]. ``network`` is bridge, none, host, container:REFERENCE or a network's name.
    """

    image: str
    command: tuple[str, ...] = ()
    name: str = ""
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    hostname: str = ""
    domainname: str = ""
    stdin_open: bool = False
    tty: bool = False
    auto_remove: bool = False
    restart: str = "no"
    health: HealthOptions | None = None

    memory_bytes: int = 0
    memory_swap_bytes: int = 0
    memory_reservation_bytes: int = 0
    memory_swappiness: int = -1
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    cpus: float = 0.0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    ulimits: tuple[Ulimit, ...] = ()

    network: str = "bridge"
    network_aliases: tuple[str, ...] = ()
    ip: str = ""
    ip6: str = ""
    mac: str = ""
    ports: tuple[PublishedPort, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_option: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()

    mounts: tuple[MountOption, ...] = ()
    volumes: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    shm_size_bytes: int = SHM_BYTES

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    devices: tuple[DeviceOption, ...] = ()
    device_rules: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    init: bool = False
    ipc: str = ""
    pid: str = ""
    uts: str = ""
    cgroupns: str = ""
    sysctls: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()

    stop_signal: str = ""
    stop_timeout_s: float | None = None
    log_max_bytes: int | None = None
    log_max_files: int = 0


class CommitOptions(Value):
    """What a commit calls its image and says about it; ``changes`` are instructions, ``pause`` stills what runs."""

    reference: str = ""
    author: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True


class ExecOptions(Value):
    """A further process in a container; what is empty is as the container's own process has it."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    stdin_open: bool = False
    tty: bool = False
    privileged: bool = False
    detach: bool = False
    rows: int = 0
    columns: int = 0
