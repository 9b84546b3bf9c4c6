"""What is attacked, how, and by which tests: the index of this directory, which `test_attacks` holds against it.

Every attack is made twice: on the runtime under test, which must withstand it, and on a runtime that makes the classic
mistakes (`tests.support.naive`), or by an assertion that the dangerous step took place; a test that would pass without
the attack proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attack:
    """``identity`` is a CVE's or a name; ``witness`` names the test that shows the mechanism at work."""

    identity: str
    mechanism: str
    module: str
    witness: str


ATTACKS = (
    Attack("CVE-2019-5736", "execute /proc/self/exe in the container, or catch who enters, and overwrite it",
           "test_runtime_executable", "test_the_naive_runtime_is_overwritten_by_its_first_process"),
    Attack("CVE-2024-21626", "a working directory that is a descriptor, or a process, of the host's",
           "test_descriptors", "test_a_working_directory_leads_out_of_the_naive_runtime_s_root"),
    Attack("leaked descriptors", "what a careless caller left open",
           "test_descriptors", "test_the_naive_runtime_leaves_its_caller_s_descriptors_open"),
    Attack("CVE-2021-30465", "a component of a mount's destination becomes a link during create",
           "test_mount_targets", "test_a_component_exchanged_during_create_defeats_looking_first"),
    Attack("CVE-2019-19921", "/proc is a link into a volume that another container changes",
           "test_mount_targets", "test_the_naive_runtime_mounts_proc_in_a_volume"),
    Attack("CVE-2023-27561", "the same after the mend of CVE-2021-30465",
           "test_procfs_writes", "test_a_volume_exchanged_below_proc_defeats_the_naive_runtime"),
    Attack("a /dev, /proc or /sys that is a link", "mounts and devices land where the image wants",
           "test_mount_targets", "test_the_naive_runtime_fills_a_directory_of_the_host_s"),
    Attack("CVE-2022-0492", "release_agent of a version 1 hierarchy",
           "test_release_agent", "test_the_naive_runtime_s_container_has_the_host_run_a_program"),
    Attack("devices of the host", "mknod of what the control group must refuse",
           "test_devices", "test_the_naive_runtime_s_container_reads_a_device_of_the_host"),
    Attack("CVE-2025-31133", "the null device that masks is a link",
           "test_masked_paths", "test_a_null_device_exchanged_during_create_defeats_the_naive_runtime"),
    Attack("CVE-2025-52565", "the terminal or /dev/console is a link",
           "test_console", "test_the_naive_runtime_makes_a_window_into_proc_of_a_terminal_that_is_a_link"),
    Attack("CVE-2025-52881", "writes to /proc go where the container's /proc leads",
           "test_procfs_writes", "test_the_naive_runtime_writes_where_the_container_s_proc_leads"),
    Attack("setuid and file capabilities", "a program of the image that gives rights",
           "test_privileges", "test_the_naive_runtime_s_container_gains_rights"),
    Attack("ptrace", "reach into a process of the host's or of another container's",
           "test_privileges", "test_the_naive_runtime_s_container_reaches_into_a_process_of_the_host"),
    Attack("keyrings", "keys of the session keyring that the runtime was called with",
           "test_privileges", "test_the_naive_runtime_s_container_reads_the_host_s_keys"),
    Attack("system calls", "what a default container has no use for",
           "test_privileges", "test_the_naive_runtime_lets_system_calls_through"),
    Attack("user namespaces", "mappings that overlap, are too large, or map root to root; CVE-2014-8989",
           "test_user_namespaces", "test_the_container_s_root_is_nobody_on_the_host"),
    Attack("rootless", "ids that are not the user's", "test_rootless", "test_an_unprivileged_user_runs_a_container"),
    Attack("hostile passwd", "names, numbers out of range, FIFOs and links where a runtime looks users up",
           "test_identities", "test_the_naive_runtime_makes_root_whom_the_image_says"),
    Attack("foreign code", "modules, libraries and programs of the image's under the names of the runtime's own",
           "test_foreign_code", "test_the_naive_runtime_runs_the_image_s_module"),
    Attack("state and log", "ids that climb, links, tampering, text that forges a line",
           "test_state_directory", "test_a_state_that_was_tampered_with_kills_nobody"),
    Attack("defaults", "less than engines really give",
           "test_default_profile", "test_all_that_engines_mask_or_protect_is_masked_or_protected_here"),
)  # fmt: skip
