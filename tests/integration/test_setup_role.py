"""The host role on this host, which is set up: it changes nothing, and what it would ask of apt is harmless."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.root, pytest.mark.slow]

SETS = ["base", "test"]


@pytest.fixture(scope="module")
def lists(repository: Path) -> dict[str, list[str]]:
    found = yaml.safe_load((repository / "ansible/roles/host/vars/main.yml").read_text())
    return dict(found["host_packages"])


def not_installed(names: list[str]) -> set[str]:
    command = ["dpkg-query", "--show", "--showformat", "${Package}=${db:Status-Status} ", *names]
    words = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return set(names) - {word.removesuffix("=installed") for word in words}


def test_applied_again_it_changes_nothing(repository: Path, lists: dict[str, list[str]], tmp_path: Path) -> None:
    if not_installed(lists["base"] + lists["test"]):
        pytest.skip("this host is not set up for the tests: ./run pytest does it")
    playbook = str(Path(sys.executable).parent / "ansible-playbook")
    extra = json.dumps({"host_sets": SETS, "host_update_cache": False})
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": "ansible/ansible.cfg",
        "ANSIBLE_HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    command = [playbook, "--inventory=localhost,", "--connection=local", "--extra-vars", extra, "ansible/site.yml"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    recap = dict(re.findall(r"(\w+)=(\d+)", done.stdout))
    assert (recap["changed"], recap["failed"], recap["unreachable"]) == ("0", "0", "0"), done.stdout


def test_on_a_bare_host_it_would_remove_nothing_and_add_no_kernel(lists: dict[str, list[str]], tmp_path: Path) -> None:
    """Asks apt for a simulation with an empty list of installed packages."""
    (tmp_path / "status").touch()
    options = ["--option", f"Dir::State::status={tmp_path}/status", "--no-install-recommends", "--no-remove"]
    command = ["apt-get", "install", "--simulate", *options, *lists["base"], *lists["test"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    installed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst ")}
    assert set(lists["base"]) <= installed
    assert [name for name in installed if name.startswith(("linux-image", "grub", "docker.io", "docker-ce"))] == []
    assert "Remv " not in done.stdout
