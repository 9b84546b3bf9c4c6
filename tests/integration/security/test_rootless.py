"""An unprivileged user runs containers by a user namespace: with his own id as root, or with ids of /etc/subuid.

He has no right to gain by it either: his container's root is he, setgroups(2) is denied (CVE-2014-8989), and what is
remembered of his containers is his.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT
from tests.support.bundle import Bundle, bundle, is_ours, runtime_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

USER = 54000 + os.getpid() % 1000
SUBORDINATE, SUBORDINATES = 300000, 65536


@contextmanager
def home() -> Iterator[Path]:
    """A directory of the user's where anybody may pass, with a copy of the runtime that he may read."""
    with tempfile.TemporaryDirectory(prefix="tare-rootless-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        shutil.copytree(ROOT / "runtime", directory / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
        os.chown(directory, USER, USER)
        yield directory


@pytest.fixture
def mine() -> Iterator[Bundle]:
    """A bundle of the user's, whose root maps to his own id."""
    with home() as directory, bundle(directory) as box:
        config = box.config
        del config["linux"]["resources"]
        config["linux"]["namespaces"].append({"type": "user"})
        map_ids(box, {"containerID": 0, "hostID": USER, "size": 1})
        for entry in config["mounts"]:
            entry["options"] = [option for option in entry.get("options", []) if not option.startswith("gid=")]
        for path in (box.directory, *box.directory.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        yield box


def map_ids(box: Bundle, *mappings: dict[str, int]) -> None:
    box.config["linux"] |= {"uidMappings": list(mappings), "gidMappings": list(mappings)}


def call(box: Bundle, *argv: str, before: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """The runtime's command line, as the user."""
    box.write()
    program = str(box.directory.parent / "runtime/cli/tare-runtime") if is_ours() else runtime_path()
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all")
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(box.directory.parent)}
    command = (*before, *user, program, "--root", str(box.state_root), *argv)
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    null = subprocess.DEVNULL
    return subprocess.run(command, env=environment, stdin=null, text=True, timeout=60, check=False, **kept)


def test_an_unprivileged_user_runs_a_container(mine: Bundle, programs: Callable[[str], Path]) -> None:
    shutil.copy(programs("rights"), mine.rootfs / "rights")
    script = "id -u; cat /proc/self/uid_map /proc/self/setgroups; /rights; touch /new"
    mine.config["process"]["args"] = ["sh", "-c", script]
    done = call(mine, "run", "--bundle", str(mine.directory), mine.new_id())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:5] == ["0", "0", str(USER), "1", "deny"]
    assert "NoNewPrivs:\t1" in done.stdout
    assert (mine.rootfs / "new").stat().st_uid == USER


def test_an_unprivileged_user_s_container_lives_and_ends(mine: Bundle) -> None:
    mine.config["process"]["args"] = ["sleep", "1000"]
    name = mine.new_id()
    null = subprocess.DEVNULL
    created = call(mine, "create", "--bundle", str(mine.directory), name, stdout=null, stderr=null)
    assert created.returncode == 0
    assert '"created"' in call(mine, "state", name).stdout
    assert call(mine, "start", name).returncode == 0
    done = call(mine, "exec", name, "sh", "-c", "id -u; cat /proc/self/uid_map")
    assert done.stdout.split() == ["0", "0", str(USER), "1"], done.stderr
    entries = [mine.state_root / name, *(mine.state_root / name).iterdir()]
    assert {entry.lstat().st_uid for entry in entries} == {USER}
    assert not stat.S_IMODE(entries[0].stat().st_mode) & 0o077
    assert call(mine, "kill", name, "KILL").returncode == 0
    assert call(mine, "delete", "--force", name).returncode == 0
    assert '"status"' not in call(mine, "state", name).stdout


@pytest.mark.parametrize("host_id", [0, USER + 1])
def test_an_unprivileged_user_maps_no_id_that_is_not_his(mine: Bundle, host_id: int) -> None:
    map_ids(mine, {"containerID": 0, "hostID": host_id, "size": 1})
    mine.config["process"]["args"] = ["true"]
    assert call(mine, "run", "--bundle", str(mine.directory), mine.new_id()).returncode != 0


def test_an_unprivileged_user_needs_a_user_namespace(mine: Bundle) -> None:
    kinds = [entry for entry in mine.config["linux"]["namespaces"] if entry["type"] != "user"]
    mine.config["linux"] |= {"namespaces": kinds, "uidMappings": [], "gidMappings": []}
    mine.config["process"]["args"] = ["true"]
    assert call(mine, "run", "--bundle", str(mine.directory), mine.new_id()).returncode != 0


@contextmanager
def with_subordinate_ids(directory: Path) -> Iterator[tuple[str, ...]]:
    """How to run a command for which /etc/subuid and /etc/passwd know the user; nobody else sees them."""
    files = {"passwd": f"root:x:0:0::/root:/bin/sh\ntare-rootless:x:{USER}:{USER}::/:/bin/sh\n",
             "group": f"root:x:0:\ntare-rootless:x:{USER}:\n",
             "subuid": f"tare-rootless:{SUBORDINATE}:{SUBORDINATES}\n",
             "subgid": f"tare-rootless:{SUBORDINATE}:{SUBORDINATES}\n"}  # fmt: skip
    for name, content in files.items():
        (directory / name).write_text(content)
        (directory / name).chmod(0o644)
    binds = " && ".join(f"mount --bind {directory}/{name} /etc/{name}" for name in files)
    script = f'touch /etc/subuid /etc/subgid && {binds} && exec "$@"'
    yield ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")


def test_an_unprivileged_user_maps_his_subordinate_ids(mine: Bundle) -> None:
    mine.config["process"]["args"] = ["sh", "-c", "cat /proc/self/uid_map; chown 7:7 /new && stat -c %u /new"]
    rights = ["CAP_CHOWN"]
    mine.config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), rights)
    (mine.rootfs / "new").touch()
    os.chown(mine.rootfs / "new", USER, USER)
    own, others = {"containerID": 0, "hostID": USER, "size": 1}, {"containerID": 1, "hostID": SUBORDINATE, "size": 100}
    map_ids(mine, own, others)
    with with_subordinate_ids(mine.directory.parent) as before:
        done = call(mine, "run", "--bundle", str(mine.directory), mine.new_id(), before=before)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["0", str(USER), "1", "1", str(SUBORDINATE), "100", "7"]
        assert (mine.rootfs / "new").stat().st_uid == SUBORDINATE + 6
        map_ids(mine, own, others | {"hostID": SUBORDINATE + SUBORDINATES})
        refused = call(mine, "run", "--bundle", str(mine.directory), mine.new_id(), before=before)
        assert refused.returncode != 0
