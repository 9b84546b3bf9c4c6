"""`run` in a copy of the checkout in which everything is set up, as far as its stamps and a fake dpkg-query say.

It always runs without root here, so that it can never really set something up, whatever goes wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    Completed = subprocess.CompletedProcess[str]

INPUTS = ("pyproject.toml", "requirements.lock", "ansible", "bench/workloads")
UNPRIVILEGED = () if os.geteuid() else ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SUPPORTED = 'ID=debian\nVERSION_ID="12"\n'

# Says of every package that it is installed, unless its name stands in the file named by ABSENT.
DPKG_QUERY = """#!/bin/sh
for name; do
    case $name in -*|*{*) ;; *) grep -qx "$name" "$ABSENT" || printf ' %s=installed ' "$name" ;; esac
done
"""


@dataclass
class Checkout:
    """A copy of the checkout, and the programs around it."""

    root: Path
    programs: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *argv: str, cwd: Path | None = None) -> Completed:
        """Runs `run`, or the program whose path is given, with the fake programs first on PATH."""
        command = [*UNPRIVILEGED, *(argv if argv and "/" in argv[0] else (str(self.root / "run"), *argv))]
        environment = {"PATH": f"{self.programs}:{os.environ['PATH']}", "ABSENT": str(self.absent), **self.environment}
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    def shell(self, script: str) -> Completed:
        """A script that may call the functions of `run`."""
        return self.run("/bin/bash", "-c", f". {self.root}/run; sets=(base test test_debian); {script}")

    @property
    def absent(self) -> Path:
        return self.programs / "absent"

    def set_up(self) -> None:
        """Stamps every step as done."""
        stamp = 'mkdir -p "$stamps"; for step in "${steps[@]}"; do fingerprint "$step" >"$stamps/$step"; done'
        subprocess.run(["bash", "-c", f". {self.root}/run; {stamp}"], check=True)

    def add_program(self, name: str, script: str, directory: Path | None = None) -> None:
        path = (directory or self.root / ".venv/bin") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)


@pytest.fixture
def checkout(repository: Path) -> Iterator[Checkout]:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)  # others may read it: pytest's own directories are closed to them
        for path in INPUTS:
            copy = shutil.copytree if (repository / path).is_dir() else shutil.copy
            (top / "checkout" / path).parent.mkdir(parents=True, exist_ok=True)
            copy(repository / path, top / "checkout" / path)
        made = Checkout(top / "checkout", top / "programs")
        script = (repository / "run").read_text()
        made.add_program("run", script.replace("data=/var/lib/tare", f"data={top}/data"), made.root)
        for made_before in ("images/index.json", "guest/kernel/6.1/kernel.json"):
            (top / "data" / made_before).parent.mkdir(parents=True)
            (top / "data" / made_before).touch()
        made.add_program("dpkg-query", DPKG_QUERY, made.programs)
        made.add_program("python", "#!/bin/sh\n")
        made.absent.touch()
        made.set_up()
        yield made


def test_without_a_command_it_says_how_to_call_it(checkout: Checkout) -> None:
    done = checkout.run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ./run")


def test_help_goes_to_standard_output(checkout: Checkout) -> None:
    done = checkout.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ./run")


def test_an_unknown_option_is_a_usage_error(checkout: Checkout) -> None:
    done = checkout.run("--forse", "true")
    assert (done.returncode, done.stderr) == (2, "run: --forse: no such option (./run --help)\n")


def test_an_unknown_command_is_named(checkout: Checkout) -> None:
    done = checkout.run("no-such-command")
    assert (done.returncode, done.stderr) == (127, "run: no-such-command: no such command\n")


def test_the_command_gets_its_arguments_whole_and_gives_its_status(checkout: Checkout) -> None:
    checkout.add_program("echo-all", '#!/bin/sh\nprintf "<%s>" "$@"; exit 7\n')
    done = checkout.run("echo-all", "a b", "", "*", "--help", "--dry-run")
    assert (done.returncode, done.stdout, done.stderr) == (7, "<a b><><*><--help><--dry-run>", "")


def test_the_command_gets_standard_input_and_only_the_standard_files(checkout: Checkout) -> None:
    done = checkout.run("/bin/sh", "-c", f"echo in | {checkout.root}/run sh -c 'cat; ls /proc/self/fd'")
    assert done.stdout.split() == ["in", "0", "1", "2", "3"]  # 3 is the directory that ls reads


def test_the_environment_comes_first_and_programs_of_root_are_found(checkout: Checkout) -> None:
    checkout.add_program("ls", "#!/bin/sh\necho ours\n")
    assert checkout.run("ls").stdout == "ours\n"
    assert checkout.run("sh", "-c", "echo $PATH").stdout.endswith(":/usr/sbin:/sbin\n")


def test_no_other_python_leaks_in(checkout: Checkout) -> None:
    leaks = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")
    checkout.environment = dict.fromkeys(leaks, "/elsewhere")
    names = {line.split("=")[0] for line in checkout.run("env").stdout.splitlines()}
    assert "PATH" in names
    assert names.isdisjoint(leaks)


@pytest.mark.parametrize("how", ["relative", "link", "search"])
def test_it_may_be_called_from_anywhere(checkout: Checkout, how: str) -> None:
    elsewhere = checkout.programs
    (elsewhere / "link").symlink_to(checkout.root / "run")
    checkout.environment = {"PATH": f"{checkout.programs}:{checkout.root}:/usr/bin:/bin"} if how == "search" else {}
    name = {"relative": f"{os.path.relpath(checkout.root, elsewhere)}/run", "link": "./link", "search": "run"}[how]
    done = checkout.run("/bin/sh", "-c", f"{name} pwd", cwd=elsewhere)
    assert (done.stdout, done.stderr) == (f"{elsewhere}\n", "")


def test_when_everything_is_set_up_it_needs_no_root(checkout: Checkout) -> None:
    done = checkout.run("id", "-u")
    assert done.returncode == 0
    assert done.stdout != "0\n"


def test_without_root_it_says_what_to_do(checkout: Checkout) -> None:
    (checkout.root / "requirements.lock").write_text("other==1\n")
    done = checkout.run("true")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith("needs root: sudo ./run true\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        ("ansible/requirements.lock", "install ansible-core"),
        ("ansible/site.yml", "apply ansible/roles/host"),
        ("ansible/roles/host/tasks/main.yml", "apply ansible/roles/host"),
        ("requirements.lock", "install 1 Python packages"),
        ("pyproject.toml", "install Tare itself"),
        ("bench/workloads/website.py", "make the default image"),
    ],
)
def test_what_changed_is_done_again_and_nothing_else(checkout: Checkout, changed: str, step: str) -> None:
    (checkout.root / changed).write_text("other==1\n")
    done = checkout.run("--dry-run", "bench", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"would {step}")
    assert done.stdout.splitlines()[1:] == ["then: bench --help"]


def test_a_dry_run_with_nothing_to_do_says_so(checkout: Checkout) -> None:
    assert checkout.run("--dry-run").stdout == "everything is set up; nothing to do\n"


def test_a_moved_checkout_gets_a_new_environment(checkout: Checkout) -> None:
    moved = checkout.root.rename(checkout.root.parent / "moved")
    assert "would make .venv" in checkout.run(str(moved / "run"), "--dry-run").stdout


def test_a_package_that_was_removed_is_installed_again(checkout: Checkout) -> None:
    checkout.absent.write_text("qemu-utils\nkmod\n")
    plan = checkout.run("--dry-run", "bench").stdout
    assert "packages to install: kmod qemu-utils\n" in plan


@pytest.mark.parametrize(("lost", "step"), [("images", "make the default image"), ("guest", "fetch the distribution")])
def test_a_lost_cache_is_made_again(checkout: Checkout, lost: str, step: str) -> None:
    shutil.rmtree(checkout.root.parent / "data" / lost)
    plan = checkout.run("--dry-run", "bench").stdout.splitlines()
    assert len(plan) == 2
    assert plan[0].startswith(f"would {step}")


@pytest.mark.parametrize(("command", "wanted"), [("pytest", True), ("mypy", True), ("bench", False)])
def test_only_the_tests_need_what_tests_need(checkout: Checkout, command: str, wanted: bool) -> None:
    checkout.absent.write_text("skopeo\n")
    assert ("skopeo" in checkout.run("--dry-run", command).stdout) is wanted


@pytest.mark.parametrize(
    ("release", "refusal"),
    [
        (SUPPORTED, None),
        ("ID=debian\n", None),
        ("ID=ubuntu\nVERSION_ID=24.04\n", None),
        ("ID=ubuntu\nVERSION_ID=26.04\n", None),
        ("ID=debian\nVERSION_ID=11\n", "this is debian 11;"),
        ("ID=ubuntu\nVERSION_ID=22.04\n", "this is ubuntu 22.04;"),
        ("ID=fedora\nVERSION_ID=42\n", "this is fedora 42;"),
        ("NAME=Odd\n", "this is an unknown system ;"),
    ],
)
def test_the_distribution_is_checked(checkout: Checkout, release: str, refusal: str | None) -> None:
    (checkout.root / "os-release").write_text(release)
    done = checkout.shell('check_host "$root/os-release"')
    assert done.returncode == (3 if refusal else 0), done.stderr
    assert done.stderr.startswith(f"run: {refusal}" if refusal else "")


def test_another_architecture_is_refused(checkout: Checkout) -> None:
    (checkout.root / "os-release").write_text(SUPPORTED)
    done = checkout.shell('HOSTTYPE=riscv64 check_host "$root/os-release"')
    assert (done.returncode, done.stderr) == (3, "run: this is a riscv64 machine; Tare sets itself up on x86_64\n")


@pytest.mark.parametrize("name", ["base", "test", "test_debian", "test_ubuntu"])
def test_the_lists_are_what_the_role_reads(checkout: Checkout, repository: Path, name: str) -> None:
    lists = yaml.safe_load((repository / "ansible/roles/host/vars/main.yml").read_text())["host_packages"]
    assert checkout.shell(f"packages {name}").stdout.split() == lists[name]
    assert lists[name] == sorted(set(lists[name]))
