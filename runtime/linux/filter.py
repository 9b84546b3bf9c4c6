"""Compile a seccomp profile to the filter that the kernel is given, ahead of time: never in a child.

libseccomp could compile as well: it takes four times as long, for a filter of four times as many instructions.
"""

from __future__ import annotations

from runtime.linux import classic_bpf as bpf
from runtime.linux import libseccomp, seccomp
from runtime.linux.decisions import decide, without_x32
from runtime.linux.seccomp import CompiledFilter, SeccompError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.decisions import Decision
    from runtime.linux.seccomp import Seccomp

_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS of linux/bpf_common.h


def compile_filter(profile: Seccomp) -> CompiledFilter:
    """The profile for this machine, as `runtime.linux.decisions` understands it; raises `SeccompError`."""
    native, *others = libseccomp.family()
    architectures = [native, *(other for other in others if other.name in profile.architectures)]
    kernels: dict[int, list[tuple[int, bytes]]] = {}
    for architecture, ranges in decide(profile, architectures).items():
        coded = [(start, _code(decision, narrow=architecture.narrow)) for start, decision in ranges]
        kernels.setdefault(architecture.audit, []).extend(coded)
    if native.name == "SCMP_ARCH_X86_64" and "SCMP_ARCH_X32" not in profile.architectures:
        kernels[native.audit] += [(start, _code(decision, narrow=False)) for start, decision in without_x32(profile)]
    searches = [bpf.only_if_equal(audit, bpf.LOAD_NUMBER + bpf.search(blocks)) for audit, blocks in kernels.items()]
    program = b"".join((bpf.LOAD_ARCHITECTURE, *searches, bpf.answer(seccomp.RET_KILL_PROCESS)))
    length = len(program) // len(bpf.LOAD_ARCHITECTURE)
    if length > _MOST_INSTRUCTIONS:
        raise SeccompError(f"compile a seccomp filter: {length} instructions, of at most {_MOST_INSTRUCTIONS}")
    return CompiledFilter(program, *_installation(profile))


def _code(decision: Decision, *, narrow: bool) -> bytes:
    return b"".join(bpf.clause(tests, action, narrow=narrow) for tests, action in decision)


def _installation(profile: Seccomp) -> tuple[int, bool]:
    """The flags of seccomp(2), of which not all go together."""
    if not profile.notifies:
        return profile.flags & ~seccomp.FLAG_WAIT_KILLABLE_RECV, False  # of use to a listener only
    flags = profile.flags | seccomp.FLAG_NEW_LISTENER
    # With both, a failed TSYNC has to be told from a descriptor.
    return flags | (seccomp.FLAG_TSYNC_ESRCH if flags & seccomp.FLAG_TSYNC else 0), True
