"""The flags of ``run`` and ``create``, and the container that they ask for."""

from __future__ import annotations

from runtime.engine.options import SHM_BYTES, CreateOptions, HealthOptions
from runtime.tare.containers import texts
from runtime.tare.containers.environment import environment_of, labels_of
from runtime.tare.containers.mounts import mounts_of
from runtime.tare.containers.ports import parse_expose, parse_publish
from runtime.tare.durations import parse_duration
from runtime.tare.errors import UsageError
from runtime.tare.flags import Flag, whole
from runtime.tare.output.sizes import parse_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.tare.flags import Given

PULL_FLAGS = (
    Flag("pull", 'Pull image before running ("always", "missing", "never")', metavar="string", default="missing"),
    Flag("quiet", "Suppress the pull output", short="q"),
    Flag("platform", "Set platform if the image is for several", metavar="string"),
    Flag("cidfile", "Write the container ID to the file", metavar="string"),
    Flag("disable-content-trust", "Skip image verification", default=True, hidden=True),
)

_PROCESS = (
    Flag("entrypoint", "Overwrite the default ENTRYPOINT of the image", metavar="string"),
    Flag("env", "Set environment variables", short="e", metavar="list", many=True),
    Flag("env-file", "Read in a file of environment variables", metavar="list", many=True),
    Flag("group-add", "Add additional groups to join", metavar="list", many=True),
    Flag("init", "Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", "Keep STDIN open even if not attached", short="i"),
    Flag("tty", "Allocate a pseudo-TTY", short="t"),
    Flag("attach", "Attach to STDIN, STDOUT or STDERR", short="a", metavar="list", many=True, convert=texts.stream),
    Flag("user", "Username or UID (format: <name|uid>[:<group|gid>])", short="u", metavar="string"),
    Flag("workdir", "Working directory inside the container", short="w", metavar="string"),
    Flag("stop-signal", "Signal to stop the container", metavar="string"),
    Flag("stop-timeout", "Timeout (in seconds) to stop a container", metavar="int", convert=whole),
    Flag("ulimit", "Ulimit options", metavar="ulimit", many=True, convert=texts.ulimit),
)
_IDENTITY = (
    Flag("name", "Assign a name to the container", metavar="string"),
    Flag("hostname", "Container host name", short="h", metavar="string"),
    Flag("domainname", "Container NIS domain name", metavar="string"),
    Flag("label", "Set meta data on a container", short="l", metavar="list", many=True),
    Flag("label-file", "Read in a line delimited file of labels", metavar="list", many=True),
    Flag("annotation", "Add an annotation to the container (passed through to the OCI runtime)", metavar="map",
         many=True, convert=texts.named_value),
    Flag("restart", "Restart policy to apply when a container exits", metavar="string", default="no"),
    Flag("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
)  # fmt: skip
_HEALTH = (
    Flag("health-cmd", "Command to run to check health", metavar="string"),
    Flag("health-interval", "Time between running the check (ms|s|m|h)", metavar="duration", convert=parse_duration),
    Flag("health-retries", "Consecutive failures needed to report unhealthy", metavar="int", convert=whole),
    Flag("health-start-interval", "Time between running the check during the start period (ms|s|m|h)",
         metavar="duration", convert=parse_duration),
    Flag("health-start-period", "Start period for the container to initialize before starting health-retries "
         "countdown (ms|s|m|h)", metavar="duration", convert=parse_duration),
    Flag("health-timeout", "Maximum time to allow one check to run (ms|s|m|h)", metavar="duration",
         convert=parse_duration),
    Flag("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
)  # fmt: skip
_RESOURCES = (
    Flag("memory", "Memory limit", short="m", metavar="bytes", convert=parse_memory, default=0),
    Flag("memory-reservation", "Memory soft limit", metavar="bytes", convert=parse_memory, default=0),
    Flag("memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", metavar="bytes",
         convert=texts.memory_or_none, default=0),
    Flag("memory-swappiness", "Tune container memory swappiness (0 to 100)", metavar="int", convert=whole, default=-1),
    Flag("oom-kill-disable", "Disable OOM Killer"),
    Flag("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)", metavar="int", convert=whole, default=0),
    Flag("cpus", "Number of CPUs", metavar="decimal", convert=texts.cpus, default=0.0),
    Flag("cpu-shares", "CPU shares (relative weight)", short="c", metavar="int", convert=whole, default=0),
    Flag("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period", metavar="int", convert=whole, default=0),
    Flag("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota", metavar="int", convert=whole, default=0),
    Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", metavar="string"),
    Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", metavar="string"),
    Flag("pids-limit", "Tune container pids limit (set -1 for unlimited)", metavar="int", convert=whole, default=0),
    Flag("blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable", metavar="uint16",
         convert=whole, default=0),
    Flag("shm-size", "Size of /dev/shm", metavar="bytes", convert=parse_memory, default=SHM_BYTES),
)  # fmt: skip
_NETWORK = (
    Flag("network", "Connect a container to a network", metavar="network", default="bridge"),
    Flag("net", "Connect a container to a network", metavar="network", hidden=True),
    Flag("network-alias", "Add network-scoped alias for the container", metavar="list", many=True),
    Flag("net-alias", "Add network-scoped alias for the container", metavar="list", many=True, hidden=True),
    Flag("ip", "IPv4 address (e.g., 172.30.100.104)", metavar="string"),
    Flag("ip6", "IPv6 address (e.g., 2001:db8::33)", metavar="string"),
    Flag("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)", metavar="string"),
    Flag("publish", "Publish a container's port(s) to the host", short="p", metavar="list", many=True),
    Flag("publish-all", "Publish all exposed ports to random ports", short="P"),
    Flag("expose", "Expose a port or a range of ports", metavar="list", many=True),
    Flag("dns", "Set custom DNS servers", metavar="list", many=True, convert=texts.address),
    Flag("dns-option", "Set DNS options", metavar="list", many=True),
    Flag("dns-opt", "Set DNS options", metavar="list", many=True, hidden=True),
    Flag("dns-search", "Set custom DNS search domains", metavar="list", many=True),
    Flag("add-host", "Add a custom host-to-IP mapping (host:ip)", metavar="list", many=True,
         convert=texts.extra_host),
)  # fmt: skip
_FILES = (
    Flag("volume", "Bind mount a volume", short="v", metavar="list", many=True),
    Flag("mount", "Attach a filesystem mount to the container", metavar="mount", many=True),
    Flag("volumes-from", "Mount volumes from the specified container(s)", metavar="list", many=True),
    Flag("tmpfs", "Mount a tmpfs directory", metavar="list", many=True, convert=texts.tmpfs),
    Flag("read-only", "Mount the container's root filesystem as read only"),
)
_SECURITY = (
    Flag("cap-add", "Add Linux capabilities", metavar="list", many=True),
    Flag("cap-drop", "Drop Linux capabilities", metavar="list", many=True),
    Flag("privileged", "Give extended privileges to this container"),
    Flag("security-opt", "Security Options", metavar="list", many=True),
    Flag("device", "Add a host device to the container", metavar="list", many=True, convert=texts.device),
    Flag("device-cgroup-rule", "Add a rule to the cgroup allowed devices list", metavar="list", many=True),
    Flag("sysctl", "Sysctl options", metavar="map", many=True, convert=texts.sysctl),
    Flag("ipc", "IPC mode to use", metavar="string"),
    Flag("pid", "PID namespace to use", metavar="string"),
    Flag("uts", "UTS namespace to use", metavar="string"),
    Flag("cgroupns", "Cgroup namespace to use (host|private)", metavar="string"),
)
_LOGS = (
    Flag("log-driver", "Logging driver for the container (only json-file)", metavar="string", default="json-file"),
    Flag("log-opt", "Log driver options (max-size, max-file)", metavar="list", many=True, convert=texts.named_value),
)

CREATE_FLAGS = (
    *_PROCESS, *_IDENTITY, *_HEALTH, *_RESOURCES, *_NETWORK, *_FILES, *_SECURITY, *_LOGS, *PULL_FLAGS,
)  # fmt: skip

_UNNAMED = frozenset({"bridge", "default", "host", "none"})


def create_options(given: Given) -> CreateOptions:
    """What the flags and arguments ask for; raises `UsageError`."""
    image, *command = given.arguments
    _refuse(given)
    return CreateOptions(
        image,
        tuple(command),
        **_process(given),
        **_identity(given),
        **_resources(given),
        **_network(given),
        **_files(given),
        **_security(given),
        **_logs(given),
    )


def _refuse(given: Given) -> None:
    """What contradicts itself (docker, cli/command/container/opts.go)."""
    if given.switch("rm") and given.text("restart") not in {"no", ""}:
        raise UsageError("conflicting options: cannot specify both --restart and --rm")
    if not -1 <= (given.number("memory-swappiness") or 0) <= 100:
        raise UsageError(f"invalid value: {given.number('memory-swappiness')}. Valid memory swappiness range is 0-100")
    if given.text("pull") not in {"always", "missing", "never"}:
        raise UsageError(f"invalid pull option: '{given.text('pull')}': must be one of \"always\", \"missing\" or "
                         '"never"')  # fmt: skip
    for name, what in (("pid", "PID"), ("uts", "UTS"), ("ipc", "IPC"), ("cgroupns", "CGROUP")):
        if not _is_mode(name, given.text(name)):
            raise UsageError(f"--{name}: invalid {what} mode")


def _is_mode(name: str, mode: str) -> bool:
    if mode in {"", "host"} or (mode == "private" and name in {"ipc", "cgroupns"}):
        return True
    if name == "ipc" and mode in {"none", "shareable"}:
        return True
    return name in {"pid", "ipc"} and mode.startswith("container:") and mode != "container:"


def _process(given: Given) -> dict[str, Any]:
    timeout = given.number("stop-timeout")
    return {
        "entrypoint": _entrypoint(given),
        "env": environment_of(given),
        "user": given.text("user"),
        "group_add": given.many("group-add"),
        "workdir": _absolute(given.text("workdir")),
        "stdin_open": given.switch("interactive"),
        "tty": given.switch("tty"),
        "init": given.switch("init"),
        "stop_signal": given.text("stop-signal"),
        "stop_timeout_s": None if timeout is None else float(timeout),
        "ulimits": _last_of_each(given),
    }


def _entrypoint(given: Given) -> tuple[str, ...] | None:
    """One given as empty takes the image's away."""
    if not given.was("entrypoint"):
        return None
    text = given.text("entrypoint")
    return (text,) if text else ()


def _absolute(workdir: str) -> str:
    if workdir and not workdir.startswith("/"):
        raise UsageError(f"the working directory '{workdir}' is invalid, it needs to be an absolute path")
    return workdir


def _last_of_each(given: Given) -> tuple[Any, ...]:
    return tuple({limit.name: limit for limit in given.value("ulimit") or ()}.values())


def _identity(given: Given) -> dict[str, Any]:
    return {
        "name": given.text("name"),
        "hostname": given.text("hostname"),
        "domainname": given.text("domainname"),
        "labels": labels_of(given),
        "annotations": tuple(given.value("annotation") or ()),
        "restart": restart_policy(given.text("restart")),
        "auto_remove": given.switch("rm"),
        "health": _health(given),
    }


def restart_policy(text: str) -> str:
    """``on-failure:3`` and the like; raises `UsageError`."""
    name, colon, count = text.partition(":")
    if name not in {"", "no", "always", "unless-stopped", "on-failure"}:
        raise UsageError(
            f"invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', "
            "or 'unless-stopped'"
        )
    if colon and not count.isdecimal():
        raise UsageError("invalid restart policy format: maximum retry count must be an integer")
    if colon and name != "on-failure":
        raise UsageError("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    return text or "no"


def _health(given: Given) -> HealthOptions | None:
    """None if nothing was said of it, so that the image's holds."""
    names = ("interval", "timeout", "start-period", "start-interval")
    times = [float(given.value(f"health-{name}") or 0) for name in names]
    if min(times) < 0:
        raise UsageError("health: times cannot be negative")
    retries = given.number("health-retries") or 0
    if retries < 0:
        raise UsageError("--health-retries cannot be negative")
    command = given.text("health-cmd")
    if given.switch("no-healthcheck"):
        if command or any(times) or retries:
            raise UsageError("--no-healthcheck conflicts with --health-* options")
        return HealthOptions(("NONE",))
    if not (command or any(times) or retries):
        return None
    test = ("CMD-SHELL", command) if command else ()
    return HealthOptions(test, times[0], times[1], retries, times[2], times[3])


def _resources(given: Given) -> dict[str, Any]:
    return {
        "memory_bytes": given.value("memory"),
        "memory_swap_bytes": given.value("memory-swap"),
        "memory_reservation_bytes": given.value("memory-reservation"),
        "memory_swappiness": given.value("memory-swappiness"),
        "oom_kill_disable": given.switch("oom-kill-disable"),
        "oom_score_adj": given.value("oom-score-adj"),
        "cpus": given.value("cpus"),
        "cpu_shares": given.value("cpu-shares"),
        "cpu_period": given.value("cpu-period"),
        "cpu_quota": given.value("cpu-quota"),
        "cpuset_cpus": given.text("cpuset-cpus"),
        "cpuset_mems": given.text("cpuset-mems"),
        "pids_limit": given.value("pids-limit"),
        "blkio_weight": given.value("blkio-weight"),
        "shm_size_bytes": given.value("shm-size"),
    }


def _network(given: Given) -> dict[str, Any]:
    network = given.text("net") or given.text("network")
    aliases = (*given.many("network-alias"), *given.many("net-alias"))
    if aliases and (network in _UNNAMED or network.startswith("container:")):
        raise UsageError("network-scoped aliases are only supported for user-defined networks")
    return {
        "network": "bridge" if network == "default" else network,
        "network_aliases": aliases,
        "ip": given.text("ip"),
        "ip6": given.text("ip6"),
        "mac": given.text("mac-address"),
        "ports": tuple(parse_publish(text) for text in given.many("publish")),
        "publish_all": given.switch("publish-all"),
        "expose": tuple(parse_expose(text) for text in given.many("expose")),
        "dns": given.many("dns"),
        "dns_search": given.many("dns-search"),
        "dns_option": (*given.many("dns-option"), *given.many("dns-opt")),
        "extra_hosts": given.many("add-host"),
    }


def _files(given: Given) -> dict[str, Any]:
    return {
        "mounts": mounts_of(given),
        "volumes_from": given.many("volumes-from"),
        "tmpfs": tuple(given.value("tmpfs") or ()),
        "read_only": given.switch("read-only"),
    }


def _security(given: Given) -> dict[str, Any]:
    return {
        "cap_add": given.many("cap-add"),
        "cap_drop": given.many("cap-drop"),
        "privileged": given.switch("privileged"),
        "security_opt": given.many("security-opt"),
        "devices": tuple(given.value("device") or ()),
        "device_rules": given.many("device-cgroup-rule"),
        "sysctls": tuple(given.value("sysctl") or ()),
        **{name: given.text(name) for name in ("ipc", "pid", "uts", "cgroupns")},
    }


def _logs(given: Given) -> dict[str, Any]:
    if given.text("log-driver") not in {"json-file", "local"}:
        raise UsageError(f"logging driver {given.text('log-driver')!r} is not supported; there is json-file")
    options = dict(given.value("log-opt") or ())
    unknown = options.keys() - {"max-size", "max-file"}
    if unknown:
        raise UsageError(f"unknown log opt '{min(unknown)}' for json-file log driver")
    try:
        size = parse_memory(options["max-size"]) if "max-size" in options else None
        files = int(options.get("max-file", "0"))
    except ValueError as error:
        raise UsageError(f"--log-opt: {error}") from None
    return {"log_max_bytes": size, "log_max_files": files}
