"""A container in the form of Docker's API (GET /containers/ID/json): what scripts and templates expect to find."""

from __future__ import annotations

from runtime.engine.bundle import MASKED_PATHS, READONLY_PATHS
from runtime.engine.modes import joined
from runtime.engine.rights import security_of
from runtime.engine.states import read_life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.engine.container import Attached, Container, MountPoint
    from runtime.engine.engine import Engine
    from runtime.engine.options import CreateOptions, HealthOptions, PublishedPort
    from runtime.engine.states import State

_NS = 1_000_000_000


def inspect(engine: Engine, container: Container) -> dict[str, Any]:
    """Everything."""
    argv, tmpfs = container.command, dict(container.config.tmpfs)
    life = read_life(engine.home, container.id) or {}
    return {
        "Id": container.id,
        "Created": container.created,
        "Path": argv[0] if argv else "",
        "Args": list(argv[1:]),
        "State": _state(container.state),
        "Image": container.image_digest,
        "ResolvConfPath": f"{container.directory}/resolv.conf",
        "HostnamePath": f"{container.directory}/hostname",
        "HostsPath": f"{container.directory}/hosts",
        "LogPath": f"{engine.home.supervised(container.id)}/log.json" if life else "",
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": host_config(container.config),
        "GraphDriver": _graph_driver(container),
        "Mounts": [_mount(point) for point in container.mounts if point.target not in tmpfs],
        "Config": config(container),
        "NetworkSettings": _network_settings(container),
    }


def _state(state: State) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Status": state.status,
        "Running": state.is_active,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at,
        "FinishedAt": state.finished_at,
    }
    return made | ({} if state.health is None else {"Health": _health_state(state)})


def _health_state(state: State) -> dict[str, Any]:
    health = state.health
    probes = [dict(probe) for probe in (() if health is None else health.log)]
    return {
        "Status": "none" if health is None else health.status,
        "FailingStreak": 0 if health is None else health.failing_streak,
        "Log": [
            {"Start": one["start"], "End": one["end"], "ExitCode": one["exit_code"], "Output": one["output"]}
            for one in probes
        ],
    }


def health_document(options: HealthOptions) -> dict[str, Any]:
    """In the image's form; times are nanoseconds."""
    made: dict[str, Any] = {"Test": list(options.test)}
    times = {
        "Interval": options.interval_s,
        "Timeout": options.timeout_s,
        "StartPeriod": options.start_period_s,
        "StartInterval": options.start_interval_s,
    }
    made |= {name: round(time_s * _NS) for name, time_s in times.items() if time_s}
    return made | ({"Retries": options.retries} if options.retries else {})


def config(container: Container) -> dict[str, Any]:
    """What is run, as an image would say it."""
    options = container.config
    made: dict[str, Any] = {
        "Hostname": options.hostname or container.id[:12],
        "Domainname": options.domainname,
        "User": options.user,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {key: {} for key in _exposed(options)},
        "Tty": options.tty,
        "OpenStdin": options.stdin_open,
        "StdinOnce": options.stdin_open,
        "Env": list(options.env),
        "Cmd": list(options.command) or None,
        "Image": container.image,
        "Volumes": {path: {} for path in (*options.volumes, *_anonymous(options))} or None,
        "WorkingDir": options.workdir,
        "Entrypoint": list(options.entrypoint or ()) or None,
        "OnBuild": None,
        "Labels": dict(options.labels),
    }
    made |= {"StopSignal": options.stop_signal} if options.stop_signal else {}
    made |= {"StopTimeout": round(options.stop_timeout_s)} if options.stop_timeout_s is not None else {}
    return made | ({} if options.health is None else {"Healthcheck": health_document(options.health)})


def _exposed(options: CreateOptions) -> list[str]:
    """In the order in which Go writes the keys of a map."""
    published = [f"{port}/{one.protocol}" for one in options.ports for port in range(one.port, one.port + one.count)]
    return sorted({*map(_port_key, options.expose), *published})


def _anonymous(options: CreateOptions) -> list[str]:
    return [option.target for option in options.mounts if option.kind == "volume" and not option.source]


def _port_key(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"


def host_config(options: CreateOptions) -> dict[str, Any]:
    """What the host gives to it."""
    return {
        "Binds": [_bind(option.source, option.target, read_only=option.read_only) for option in options.mounts
                  if option.source and option.kind != "tmpfs"] or None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": _log_config(options)},
        "NetworkMode": options.network,
        "PortBindings": _bindings(options.ports, ""),
        "RestartPolicy": _restart(options.restart),
        "AutoRemove": options.auto_remove,
        "VolumesFrom": list(options.volumes_from) or None,
        "CapAdd": list(options.cap_add) or None,
        "CapDrop": list(options.cap_drop) or None,
        "CgroupnsMode": options.cgroupns or "private",
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_option),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
        "GroupAdd": list(options.group_add) or None,
        "IpcMode": options.ipc or "private",
        "OomScoreAdj": options.oom_score_adj,
        "PidMode": options.pid,
        "Privileged": options.privileged,
        "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": list(options.security_opt) or None,
        "Tmpfs": dict(options.tmpfs) or None,
        "UTSMode": options.uts,
        "UsernsMode": "",
        "ShmSize": options.shm_size_bytes,
        "Sysctls": dict(options.sysctls) or None,
        "Runtime": "tare-runtime",
        "Init": options.init or None,
        "Annotations": dict(options.annotations) or None,
        **_limits(options),
        **_paths(options),
    }  # fmt: skip


def _bind(source: str, target: str, *, read_only: bool) -> str:
    return f"{source}:{target}" + (":ro" if read_only else "")


def _log_config(options: CreateOptions) -> dict[str, str]:
    size = {"max-size": str(options.log_max_bytes)} if options.log_max_bytes else {}
    return size | ({"max-file": str(options.log_max_files)} if options.log_max_files else {})


def _restart(policy: str) -> dict[str, Any]:
    name, _, count = policy.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _limits(options: CreateOptions) -> dict[str, Any]:
    swap = options.memory_swap_bytes or 2 * options.memory_bytes
    return {
        "CpuShares": options.cpu_shares,
        "Memory": options.memory_bytes,
        "NanoCpus": round(options.cpus * _NS),
        "CgroupParent": "",
        "BlkioWeight": options.blkio_weight,
        "CpuPeriod": options.cpu_period,
        "CpuQuota": options.cpu_quota,
        "CpusetCpus": options.cpuset_cpus,
        "CpusetMems": options.cpuset_mems,
        "Devices": [
            {"PathOnHost": one.source, "PathInContainer": one.target, "CgroupPermissions": one.access}
            for one in options.devices
        ],
        "DeviceCgroupRules": list(options.device_rules) or None,
        "MemoryReservation": options.memory_reservation_bytes,
        "MemorySwap": swap,
        "MemorySwappiness": None if options.memory_swappiness < 0 else options.memory_swappiness,
        "OomKillDisable": options.oom_kill_disable,
        "PidsLimit": options.pids_limit or None,
        "Ulimits": [{"Name": one.name, "Hard": one.hard, "Soft": one.soft} for one in options.ulimits],
    }


def _paths(options: CreateOptions) -> dict[str, Any]:
    open_ = security_of(options).unconfined_paths
    return {
        "MaskedPaths": None if open_ else list(MASKED_PATHS),
        "ReadonlyPaths": None if open_ else list(READONLY_PATHS),
    }


def _graph_driver(container: Container) -> dict[str, Any]:
    return {
        "Name": "overlay2",
        "Data": {
            "LowerDir": ":".join(reversed(container.layers)),
            "MergedDir": container.merged,
            "UpperDir": container.upper,
            "WorkDir": f"{container.directory}/work",
        },
    }


def _mount(point: MountPoint) -> dict[str, Any]:
    made: dict[str, Any] = {"Type": point.kind}
    made |= {"Name": point.name, "Driver": "local"} if point.name else {}
    return made | {
        "Source": point.source,
        "Destination": point.target,
        "Mode": ",".join(point.data) if point.kind == "tmpfs" else "ro" if point.read_only else "",
        "RW": not point.read_only,
        "Propagation": point.propagation,
    }


def _bindings(ports: Sequence[PublishedPort], default_ip: str) -> dict[str, list[dict[str, str]]]:
    """By the container's port; one that is published on every address is so on IPv4's and IPv6's."""
    made: dict[str, list[dict[str, str]]] = {}
    for one in ports:
        addresses = (one.host_ip,) if one.host_ip or not default_ip else (default_ip, "::")
        for offset in range(one.count):
            number = str(one.host_port + offset) if one.host_port else ""
            entries = made.setdefault(f"{one.port + offset}/{one.protocol}", [])
            entries += [{"HostIp": address, "HostPort": number} for address in addresses]
    return made


def _network_settings(container: Container) -> dict[str, Any]:
    attached = {one.network: one for one in container.attached}
    exposed: dict[str, Any] = {_port_key(text): None for text in container.config.expose if container.state.is_running}
    mode = container.config.network
    names = [endpoint.network for endpoint in container.networks] or ([mode] if joined(mode) is None else [])
    networks = {name: _network(container, attached.get(name)) for name in names}
    first = networks.get("bridge", _network(container, None))
    return {
        "Bridge": "",
        "SandboxID": container.id if container.state.is_running else "",
        "HairpinMode": False,
        "SandboxKey": f"/proc/{container.state.pid}/ns/net" if container.state.is_running else "",
        "Ports": exposed | _bindings(container.ports, "0.0.0.0"),  # noqa: S104 - as it is written, not bound
        **{name: first[name] for name in ("EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen",
                                          "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress")},
        "Networks": networks,
    }  # fmt: skip


def _network(container: Container, attached: Attached | None) -> dict[str, Any]:
    aliases = attached.aliases if attached else ()
    return {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": [*aliases, container.id[:12]] if attached and attached.network != "bridge" else None,
        "NetworkID": attached.network_id if attached else "",
        "EndpointID": container.id if attached else "",
        "Gateway": attached.gateway if attached else "",
        "IPAddress": attached.ip if attached else "",
        "IPPrefixLen": attached.prefix if attached else 0,
        "IPv6Gateway": attached.gateway6 if attached else "",
        "GlobalIPv6Address": attached.ip6 if attached else "",
        "GlobalIPv6PrefixLen": attached.prefix6 if attached else 0,
        "MacAddress": attached.mac if attached else "",
        "DriverOpts": None,
    }
