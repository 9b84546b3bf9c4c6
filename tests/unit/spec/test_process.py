"""``process`` of a config.json: each property accepted, and refused by its path (config.md, "Process")."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.linux.capabilities import mask
from runtime.spec.execution import IoPriority, OciProcess, Rlimit, Scheduler, User, parse_process
from runtime.spec.reader import SpecError

LEAST = {"args": ["sh"], "cwd": "/"}
TOO_BIG = 1 << 64


def process(**more: Any) -> OciProcess:
    return parse_process({**LEAST, **more})


def test_what_is_left_out_is_not_asked_for() -> None:
    assert process() == OciProcess(args=("sh",), cwd="/")


def test_null_is_as_if_it_were_left_out() -> None:
    names = ("user", "env", "capabilities", "rlimits", "scheduler", "ioPriority", "consoleSize", "oomScoreAdj")
    assert process(**dict.fromkeys(names)) == process()


@pytest.mark.parametrize(
    ("given", "attribute", "expected"),
    [
        ({"args": ["a", ""]}, "args", ("a", "")),
        ({"env": ["A=1", "B="]}, "env", ("A=1", "B=")),
        ({"cwd": "/a/b"}, "cwd", "/a/b"),
        ({"terminal": True}, "terminal", True),
        ({"terminal": True, "consoleSize": {"height": 3, "width": 4}}, "console_size", (3, 4)),
        ({"consoleSize": {"height": "of no account"}}, "console_size", None),
        ({"user": {"uid": 1, "gid": 2}}, "user", User(1, 2)),
        ({"user": {"uid": 0, "gid": 0, "umask": 0o777, "additionalGids": [7]}}, "user", User(0, 0, 0o777, (7,))),
        ({"noNewPrivileges": True}, "no_new_privileges", True),
        ({"apparmorProfile": "p"}, "apparmor_profile", "p"),
        ({"selinuxLabel": "l"}, "selinux_label", "l"),
        ({"oomScoreAdj": -1000}, "oom_score_adj", -1000),
        ({"oomScoreAdj": 0}, "oom_score_adj", 0),
        (
            {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": TOO_BIG - 1}]},
            "rlimits",
            (Rlimit("RLIMIT_NOFILE", 7, 1, TOO_BIG - 1),),
        ),
        ({"scheduler": {"policy": "SCHED_FIFO", "priority": 9}}, "scheduler", Scheduler("SCHED_FIFO", priority=9)),
        ({"ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 7}}, "io_priority", IoPriority("IOPRIO_CLASS_RT", 7)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_property_is_taken(given: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(process(**given), attribute) == expected


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"args": None}, "process.args"),
        ({"args": []}, "process.args"),
        ({"args": [""]}, "process.args[0]"),
        ({"args": ["a\0b"]}, "process.args[0]"),
        ({"args": "sh"}, "process.args"),
        ({"cwd": None}, "process.cwd"),
        ({"cwd": "here"}, "process.cwd"),
        ({"env": ["=1"]}, "process.env[0]"),
        ({"env": ["A"]}, "process.env[0]"),
        ({"terminal": "yes"}, "process.terminal"),
        ({"user": []}, "process.user"),
        ({"user": {"uid": -1, "gid": 0}}, "process.user.uid"),
        ({"user": {"uid": (1 << 32) - 1, "gid": 0}}, "process.user.uid"),
        ({"user": {"uid": 1.0, "gid": 0}}, "process.user.uid"),
        ({"user": {"uid": True, "gid": 0}}, "process.user.uid"),
        ({"user": {"uid": 0, "gid": 0, "umask": 0o1000}}, "process.user.umask"),
        ({"user": {"uid": 0, "gid": 0, "additionalGids": [0, -1]}}, "process.user.additionalGids[1]"),
        ({"capabilities": {"ambient": "CAP_KILL"}}, "process.capabilities.ambient"),
        ({"capabilities": {"bounding": [1]}}, "process.capabilities.bounding[0]"),
        ({"rlimits": {}}, "process.rlimits"),
        ({"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}, "process.rlimits[0].type"),
        ({"rlimits": [{"type": "RLIMIT_CPU", "hard": 1}]}, "process.rlimits[0].soft"),
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 1}]}, "process.rlimits[0].hard"),
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}, "process.rlimits[0].soft"),
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": TOO_BIG}]}, "process.rlimits[0].hard"),
        ({"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2}, "process.rlimits[1].type"),
        ({"noNewPrivileges": 0}, "process.noNewPrivileges"),
        ({"oomScoreAdj": 1001}, "process.oomScoreAdj"),
        ({"scheduler": {}}, "process.scheduler.policy"),
        ({"scheduler": {"policy": "SCHED_RR", "runtime": -1}}, "process.scheduler.runtime"),
        ({"scheduler": {"policy": "SCHED_RR", "flags": [""]}}, "process.scheduler.flags[0]"),
        ({"ioPriority": {"class": "IOPRIO_CLASS_NONE"}}, "process.ioPriority.class"),
        ({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}, "process.ioPriority.priority"),
        ({"execCPUAffinity": {"initial": "3-1"}}, "process.execCPUAffinity.initial"),
        ({"execCPUAffinity": {"final": "a"}}, "process.execCPUAffinity.final"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_value_is_refused_by_its_path(given: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        process(**given)
    assert caught.value.path == path


@pytest.mark.parametrize("missing", ["height", "width"])
def test_a_console_has_both_numbers(missing: str) -> None:
    size = {"height": 1, "width": 1}
    del size[missing]
    with pytest.raises(SpecError, match=rf"^process\.consoleSize\.{missing}: is missing$"):
        process(terminal=True, consoleSize=size)


@pytest.mark.parametrize("missing", ["uid", "gid"])
def test_a_user_has_both_ids(missing: str) -> None:
    user = {"uid": 1, "gid": 1}
    del user[missing]
    with pytest.raises(SpecError, match=rf"^process\.user\.{missing}: is missing$"):
        process(user=user)


def test_capabilities_are_five_sets_and_those_that_nobody_knows() -> None:
    sets = {"bounding": ["CAP_KILL", "CAP_X"], "effective": [], "inheritable": ["CAP_CHOWN"], "permitted": ["CAP_KILL"]}
    caps = process(capabilities={**sets, "ambient": ["CAP_X", "CAP_Y"]}).capabilities
    assert caps is not None
    assert (caps.bounding, caps.permitted) == (mask(["CAP_KILL"]), mask(["CAP_KILL"]))
    assert (caps.effective, caps.inheritable, caps.ambient) == (0, mask(["CAP_CHOWN"]), 0)
    assert caps.unknown == ("CAP_X", "CAP_Y")
