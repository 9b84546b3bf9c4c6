"""Images that want out: what stands where we mount, look, execute or change directory is the image's, not ours."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.process.client import LauncherError
from tests.support.containers import make_ground

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.containers import Ground

pytestmark = pytest.mark.root


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A layer above busybox's, to be filled by the test."""
    (tmp_path / "top").mkdir()
    return tmp_path / "top"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host that nothing may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("kept")
    return tmp_path / "outside"


@pytest.fixture
def hostile(tmp_path: Path, top: Path, busybox_layers: tuple[Path, ...]) -> Iterator[Ground]:
    with make_ground(tmp_path / "ground", (*busybox_layers, top)) as made:
        yield made
        assert made.leftovers() == []


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
@pytest.mark.parametrize("kind", ["absolute", "relative", "climbing", "self", "dangling", "file"])
def test_what_is_no_directory_is_not_mounted_on(
    hostile: Ground, top: Path, outside: Path, name: str, kind: str
) -> None:
    targets = {
        "absolute": str(outside),
        "relative": "srv",
        "climbing": "../../../../../../../.." + str(outside),
        "self": name,
        "dangling": "/nowhere",
    }
    if kind == "file":
        (top / name).write_text("")
    else:
        (top / name).symlink_to(targets[kind])
    before = Path("/proc/self/mountinfo").read_text()
    with pytest.raises(LauncherError, match=rf"directory /{name} of the image: (not a directory|too many levels)"):
        hostile.run("true")
    assert Path("/proc/self/mountinfo").read_text() == before
    assert [entry.name for entry in outside.iterdir()] == ["secret"]


@pytest.mark.parametrize("where", ["cwd", "/", "stdlib", "home"])
def test_files_named_like_our_modules_are_never_loaded(hostile: Ground, top: Path, outside: Path, where: str) -> None:
    import runtime

    code = "import json, sys; print(json.dumps(sys.path))"
    paths = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    stdlib = [part.strip('"[] \n') for part in paths.split(",")]
    home = str(Path(runtime.__file__).parents[1])
    places = {"cwd": ["/srv"], "/": ["/"], "stdlib": stdlib, "home": [home, f"{home}/runtime/process"]}[where]
    names = [f"{name}.py" for name in sys.stdlib_module_names] + ["encodings/utf_8.py", "ctypes/__init__.py"]
    for place in places:
        directory = top / place.lstrip("/")
        for name in names:
            file = directory / name
            if file.parent.suffix != ".zip":
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"open({str(outside / 'hit')!r}, 'w'); raise SystemExit('led astray')")
    assert hostile.run("sh", "-c", "pwd; exit 3", cwd="/srv").output == "/srv\n"
    with pytest.raises(LauncherError, match=r"^execute /nothing: no such file"):
        hostile.run("/nothing", cwd="/srv")
    with hostile.running() as (spec, _):
        assert hostile.execute(spec.id, "true", cwd="/srv")[0] == 0
    assert [entry.name for entry in outside.iterdir()] == ["secret"]


def test_no_working_directory_leads_out_through_a_descriptor_of_ours(hostile: Ground, top: Path) -> None:
    # Some of the launcher's descriptors may be directories of the host (CVE-2024-21626).
    (top / "fd").symlink_to("/proc/self/fd")
    with hostile.running() as (spec, _):
        for number in range(3, 40):
            for cwd in (f"/proc/self/fd/{number}", f"/fd/{number}"):
                with pytest.raises(LauncherError, match=r"(no such file or directory|not a directory)$"):
                    hostile.run("true", cwd=cwd)
                with pytest.raises(LauncherError, match=r"(no such file or directory|not a directory)$"):
                    hostile.execute(spec.id, "true", cwd=cwd)


def test_links_in_the_working_directory_lead_into_the_image_only(hostile: Ground, top: Path, outside: Path) -> None:
    (top / "out").symlink_to(outside)
    (top / "up").symlink_to("../../../../etc")
    assert hostile.run("cat", "passwd", cwd="/up").output.startswith("root:x:0:0")
    with pytest.raises(LauncherError):
        hostile.run("cat", "secret", cwd="/out")


def test_the_image_cannot_bring_a_mask_or_a_device_of_its_own(hostile: Ground, top: Path, outside: Path) -> None:
    (top / "dev").mkdir()
    (top / "dev/null").symlink_to(outside / "secret")
    (top / "dev/.empty").symlink_to(outside)
    (top / "dev/shm").symlink_to(outside)
    assert hostile.shell("echo gone > /dev/null; stat -c %F /dev/null; touch /dev/shm/x").output == (
        "character special file\n"
    )
    assert (outside / "secret").read_text() == "kept"
    assert [entry.name for entry in outside.iterdir()] == ["secret"]


def copy_program(program: Path, top: Path) -> None:
    """The libraries of a program of the host, to where an image's loader looks for them."""
    listing = subprocess.run(("ldd", program), capture_output=True, text=True, check=True).stdout
    libraries = [word for line in listing.splitlines() for word in line.split() if word.startswith("/")]
    for library in libraries:
        target = top / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


@pytest.mark.parametrize("how", ["argv", "script"])
def test_our_own_executable_cannot_be_executed_or_reached(hostile: Ground, top: Path, how: str) -> None:
    # Whoever executes it can open it, and write to it once nothing executes it any more (CVE-2019-5736).
    copy_program(Path(sys.executable).resolve(), top)
    (top / "script").write_text("#!/proc/self/exe\n")
    (top / "script").chmod(0o755)
    name = {"argv": "/proc/self/exe", "script": "/script"}[how]
    spec = hostile.spec(hostile.process(name, "-c", "import time; time.sleep(1000)"))
    try:
        pid = hostile.launcher.launch(spec)
    except LauncherError:
        return
    try:
        ours, theirs = Path(sys.executable).resolve().stat(), Path(f"/proc/{pid}/exe").stat()
        assert (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino)
    finally:
        hostile.launcher.remove(spec.id)


def test_the_copy_that_we_execute_is_sealed(hostile: Ground) -> None:
    with Path(f"/proc/{hostile.launcher.pid}/exe").open("rb") as program:
        seals = fcntl.fcntl(program, fcntl.F_GET_SEALS)
    assert seals & fcntl.F_SEAL_WRITE
    assert seals & fcntl.F_SEAL_SEAL


def test_no_process_shows_the_host_to_another(hostile: Ground) -> None:
    with hostile.running() as (spec, _):
        script = "for one in /proc/[0-9]*/exe /proc/[0-9]*/root /proc/[0-9]*/cwd; do readlink $one; done"
        _, out, _ = hostile.execute(spec.id, "sh", "-c", script)
    assert set(out.decode().split()) == {"/", "/bin/busybox"}
