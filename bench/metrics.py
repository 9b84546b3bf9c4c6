"""What is measured: the name, unit and definition of every metric that a run can hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity; ``per`` says what a row stands for: an instance, a step of N, or a block."""

    name: str
    unit: str
    per: str
    definition: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("launch", "ms", "instance", "from the request to create it until the kernel or libvirt accepts"),
        Metric("all_launched", "ms", "block", "calibration: from the first request of each step to its last, summed"),
        Metric("operation", "ms", "instance", "engines: from starting the command, or commands, until all have ended"),
        Metric("first_answer", "ms", "instance", "from that request to the first whole HTTP answer seen by the host"),
        Metric("fleet_answer", "ms", "block", "from the first request of each step of N to its last answer, summed"),
        Metric("answering", "instances", "block", "instances that still answered when all were running"),
        Metric("teardown", "ms", "block", "from the first stop until nothing of the treatment was left on the host"),
        Metric("host_available", "bytes", "step", "MemAvailable of /proc/meminfo, settled, with N instances running"),
        Metric("host_free", "bytes", "step", "MemFree of /proc/meminfo, same moment"),
        Metric("host_cached", "bytes", "step", "Cached of /proc/meminfo, same moment"),
        Metric("host_anon", "bytes", "step", "AnonPages of /proc/meminfo, same moment"),
        Metric("host_shmem", "bytes", "step", "Shmem of /proc/meminfo, same moment"),
        Metric("host_slab_reclaimable", "bytes", "step", "SReclaimable of /proc/meminfo, same moment"),
        Metric("host_slab_unreclaimable", "bytes", "step", "SUnreclaim of /proc/meminfo, same moment"),
        Metric("host_page_tables", "bytes", "step", "PageTables of /proc/meminfo, same moment"),
        Metric("host_kernel_stack", "bytes", "step", "KernelStack of /proc/meminfo, same moment"),
        Metric("host_percpu", "bytes", "step", "Percpu of /proc/meminfo, same moment"),
        Metric("pss", "bytes", "instance", "Pss of /proc/PID/smaps_rollup, summed over processes serving it alone"),
        Metric("rss", "bytes", "instance", "sum of Rss in /proc/PID/smaps_rollup over the same processes"),
        Metric("cgroup", "bytes", "instance", "usage of the instance's memory control group"),
        Metric("configured", "bytes", "instance", "memory limit of the container, RAM of the virtual machine"),
        Metric("guest_used", "bytes", "instance", "total less available memory, as the guest's own kernel sees it"),
    )
}
