"""Capabilities and security options, as Docker reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime.engine.errors import BadOption
from runtime.engine.options import CreateOptions
from runtime.engine.profiles import default_profile, for_capabilities, read_profile
from runtime.engine.rights import Security, capabilities_of, check_rights, security_of
from runtime.linux.capabilities import DEFAULT, NAMES
from runtime.spec.seccomp import parse_seccomp

if TYPE_CHECKING:
    from pathlib import Path


def options(**changes: Any) -> CreateOptions:
    return CreateOptions("box", **changes)


@pytest.mark.parametrize(
    ("added", "dropped", "expected"),
    [
        ((), (), set(DEFAULT)),
        (("net_admin",), (), {*DEFAULT, "CAP_NET_ADMIN"}),
        (("CAP_NET_ADMIN",), ("chown",), {*DEFAULT, "CAP_NET_ADMIN"} - {"CAP_CHOWN"}),
        ((), ("ALL",), set()),
        (("kill",), ("all",), {"CAP_KILL"}),
        (("ALL",), ("sys_admin",), set(NAMES) - {"CAP_SYS_ADMIN"}),
    ],
)
def test_capabilities(added: tuple[str, ...], dropped: tuple[str, ...], expected: set[str]) -> None:
    assert set(capabilities_of(options(cap_add=added, cap_drop=dropped))) == expected


def test_a_privileged_container_has_all_and_is_not_confined() -> None:
    everything = options(privileged=True, cap_drop=("ALL",))
    assert capabilities_of(everything) == NAMES
    assert security_of(everything) == Security(seccomp="unconfined", unconfined_paths=True)


@pytest.mark.parametrize("name", ["net-admin", "CAP_", "everything", ""])
def test_a_capability_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(BadOption, match="unknown capability"):
        check_rights(options(cap_add=(name,)))
    with pytest.raises(BadOption, match="unknown capability"):
        check_rights(options(cap_drop=(name,), privileged=True))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("no-new-privileges", Security(no_new_privileges=True)),
        ("no-new-privileges:true", Security(no_new_privileges=True)),
        ("no-new-privileges=false", Security()),
        ("seccomp=unconfined", Security(seccomp="unconfined")),
        ("seccomp:unconfined", Security(seccomp="unconfined")),
        ("seccomp=/a/b.json", Security(seccomp="/a/b.json")),
        ("seccomp=builtin", Security()),
        ("systempaths=unconfined", Security(unconfined_paths=True)),
        ("apparmor=unconfined", Security()),
        ("label=disable", Security()),
    ],
)
def test_security_options(option: str, expected: Security) -> None:
    assert security_of(options(security_opt=(option,))) == expected


@pytest.mark.parametrize("option", ["seccomp", "no-new-privileges=maybe", "systempaths=all", "apparmor", "x=y", ""])
def test_a_security_option_that_there_is_not_is_refused(option: str) -> None:
    with pytest.raises(BadOption, match="invalid --security-opt"):
        check_rights(options(security_opt=(option,)))


def test_our_profile_survives_the_way_through_config_json() -> None:
    """It is written as the specification has it, and comes out of our own reader as it went in."""
    from runtime.spec.profile import default_profile as original

    for held in (tuple(DEFAULT), NAMES, ()):
        written = json.loads(json.dumps(default_profile(held)))
        assert parse_seccomp(written) == original(frozenset(held))


DOCKERS = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"name": "write", "action": "SCMP_ACT_ALLOW"},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["s390_only"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["future"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}},
    ],
}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ((), ["read", "write", "clone", "ptrace"]),
        (("CAP_SYS_ADMIN",), ["read", "write", "mount", "ptrace"]),
    ],
)
def test_conditions_of_a_profile_in_docker_s_form(held: tuple[str, ...], expected: list[str]) -> None:
    made = for_capabilities(DOCKERS, held)
    assert [name for entry in made["syscalls"] for name in entry["names"]] == expected
    assert len(made["architectures"]) == 2
    parse_seccomp(made)


def test_a_file_that_is_no_profile(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("{")
    (tmp_path / "list").write_text("[]")
    for name in ("absent", "broken", "list"):
        with pytest.raises(BadOption, match="seccomp profile"):
            read_profile(str(tmp_path / name), ())
