"""The five demonstrations of *Docker Containers: An Introduction* (2014), step by step."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.demo.host import files_called, processes_called, read_process
from bench.demo.reading import exit_code, is_made_up, layers_said, process_list, table
from bench.demo.step import Differs, Step

if TYPE_CHECKING:
    from bench.demo.stage import Stage

_PROMPT = r"root@([0-9a-f]{12}):/# $"
_SLEEP = "sleep 100"
_SAMPLE = "sampleFile"
_ANSWERS_S = 60.0
_NEW_FILE = "touch file1"


def _start(stage: Stage) -> str:
    text = stage.tare("version")
    return f"the engine answers ({text.strip().splitlines()[0].strip()}); no daemon had to be started"


def _pull(stage: Stage) -> str:
    text = stage.tare("pull", stage.names.image)
    done = layers_said(text, "Pull complete")
    if len(done) != stage.names.layers:
        raise Differs(f"{len(done)} layers are said to be complete, not {stage.names.layers}")
    return f"{len(done)} layers, each by itself: {', '.join(sorted(done))}"


def _shell(stage: Stage) -> str:
    shown = stage.open_terminal("run", "-i", "-t", stage.names.image, "/bin/bash").expect(_PROMPT)
    found = re.search(_PROMPT, shown)
    stage.facts["container"] = found[1] if found else ""
    return f"a prompt of bash in container {stage.facts['container']}"


def _typed(stage: Stage, line: str) -> str:
    """What the shell in the container shows for a line."""
    stage.terminal.type(line)
    shown = stage.terminal.expect(_PROMPT)
    stage.output.append(shown)
    return shown


def _sleep_inside(stage: Stage) -> str:
    _typed(stage, f"{_SLEEP} &")
    listed = process_list(_typed(stage, "ps -aef"))
    first = next((one for one in listed if one.pid == 1), None)
    sleep = next((one for one in listed if one.command == _SLEEP), None)
    if first is None or first.command != "/bin/bash" or sleep is None or sleep.parent != 1:
        raise Differs(f"the processes are {[(one.pid, one.command) for one in listed]}")
    stage.facts["sleep"] = str(sleep.pid)
    return f"bash is PID 1, its child sleep is PID {sleep.pid}"


def _sleep_outside(stage: Stage) -> str:
    inner = int(stage.fact("sleep"))
    for sleep in processes_called(_SLEEP):
        parent = read_process(sleep.parent)
        if sleep.inner_pid == inner and parent is not None and _is_in(parent.pid, stage.fact("container")):
            if parent.inner_pid != 1 or parent.command != "/bin/bash" or sleep.pid == inner:
                break
            return f"sleep is PID {sleep.pid} here, its parent {parent.pid} is the container's bash"
    raise Differs("no sleep of another number whose parent is the container's bash")


def _is_in(pid: int, container: str) -> bool:
    return f"/{container}" in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")


def _touch(stage: Stage) -> str:
    _typed(stage, f"touch {_SAMPLE}")
    if _SAMPLE not in _typed(stage, "ls").split():
        raise Differs("the container does not list it")
    return "the container lists it"


def _find(stage: Stage) -> str:
    container = stage.fact("container")
    found = files_called(_SAMPLE, stage.root.parents[2])
    stage.output.append("\n".join(map(str, found)) + "\n")
    homes = {path.parent.parent for path in found}
    kinds = sorted(path.parent.name for path in found)
    if kinds != ["merged", "upper"] or len(homes) != 1 or not homes.pop().name.startswith(container):
        raise Differs(f"it is in {', '.join(map(str, found)) or 'no directory'}")
    return "it is in the container's upper and merged directories, and nowhere else"


def _leave(stage: Stage) -> str:
    stage.terminal.type("exit")
    code, _ = stage.terminal.end()
    if code != 0:
        raise Differs(f"exit code {code}")
    return "the container has ended"


def _images(stage: Stage) -> str:
    repository, _, tag = stage.names.image.rpartition(":")
    rows = table(stage.tare("images"))
    if not any((row.get("REPOSITORY"), row.get("TAG")) == (repository, tag) for row in rows):
        raise Differs(f"the images are {[row.get('REPOSITORY') for row in rows]}")
    return f"{stage.names.image} is listed"


def _registry(stage: Stage) -> str:
    published = f"{stage.names.port}:5000"
    printed = stage.tare("run", "-d", "-p", published, stage.names.registry_image).strip()
    if not re.fullmatch("[0-9a-f]{64}", printed):
        raise Differs(f"it prints {printed!r}, not the container's id")
    deadline = time.monotonic() + _ANSWERS_S
    while _ask(stage, "") is None:
        if time.monotonic() > deadline:
            raise Differs(f"nobody answers at port {stage.names.port}")
        time.sleep(0.1)
    return f"a registry answers at localhost:{stage.names.port}"


def _ask(stage: Stage, path: str) -> Any:
    """What the private registry answers; None if it does not (yet)."""
    accepted = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
    url = f"http://localhost:{stage.names.port}/v2/{path}"
    request = urllib.request.Request(url, headers={"Accept": ", ".join(accepted)})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def _tag(stage: Stage) -> str:
    stage.tare("tag", stage.names.image, stage.names.pushed)
    return "it has a second name"


def _push(stage: Stage) -> str:
    text = stage.tare("push", stage.names.pushed)
    tags = (_ask(stage, f"{stage.names.repository}/tags/list") or {}).get("tags")
    pushed = layers_said(text, "Pushed")
    if len(pushed) != stage.names.layers or not tags:
        raise Differs(f"{len(pushed)} layers are said to be pushed; the registry lists {tags}")
    return f"{len(pushed)} layers are pushed, and the registry lists {', '.join(tags)}"


def _make_file(stage: Stage) -> str:
    code, shown = stage.open_terminal("run", "-i", "-t", stage.names.image, *_NEW_FILE.split()).end()
    if code != 0:
        raise Differs(f"exit code {code}: {shown.strip()}")
    return "exit code 0"


def _exited(stage: Stage) -> str:
    rows = table(stage.tare("ps", "-a"))
    row = next((row for row in rows if _NEW_FILE in row.get("COMMAND", "")), None)
    if row is None:
        raise Differs(f"the commands are {[row.get('COMMAND') for row in rows]}")
    name, status = row.get("NAMES", ""), row.get("STATUS", "")
    if exit_code(status) != 0 or not is_made_up(name):
        raise Differs(f"its status is {status!r}, its name {name!r}")
    stage.facts["name"] = name
    return f"it is {status}, and called {name}"


def _commit(stage: Stage) -> str:
    printed = stage.tare("commit", stage.fact("name"), stage.names.committed).strip()
    if not re.fullmatch("sha256:[0-9a-f]{64}", printed):
        raise Differs(f"it prints {printed!r}, not the image's digest")
    return f"a new image, {printed[:19]}"


def _push_again(stage: Stage) -> str:
    text = stage.tare("push", stage.names.committed)
    there, new = layers_said(text, "Layer already exists"), layers_said(text, "Pushed")
    if (len(there), len(new)) != (stage.names.layers, 1):
        raise Differs(f"{len(there)} layers were there already, {len(new)} were pushed")
    before, after = (_layers(stage, name) for name in (stage.names.pushed, stage.names.committed))
    if after[:-1] != before:
        raise Differs("the registry's two images do not share their layers")
    return f"{len(there)} layers are there already; only {', '.join(new)} is uploaded"


def _layers(stage: Stage, reference: str) -> list[str]:
    manifest = _ask(stage, f"{stage.names.repository}/manifests/{reference.rpartition(':')[2]}") or {}
    return [layer["digest"] for layer in manifest.get("layers", [])]


def demonstrations(stage: Stage) -> tuple[Step, ...]:
    """All steps, with the commands as a user would type them."""
    names = stage.names
    return (
        Step(1, "tare version", "docker start/running", _start),
        Step(1, f"tare pull {names.image}", "Pulling repository ubuntu; each layer: Download complete", _pull),
        Step(2, f"tare run -i -t {names.image} /bin/bash", "root@0bc82356b52d:/#", _shell),
        Step(2, f"{_SLEEP} & ps -aef            (inside)", "/bin/bash is PID 1, sleep 100 its child", _sleep_inside),
        Step(2, "ps -aef | grep sleep            (host)", "sleep has another PID, its parent is bash", _sleep_outside),
        Step(3, f"touch {_SAMPLE}                (inside)", "the file is there", _touch),
        Step(3, f"find -name {_SAMPLE}           (host)", "in the diff and the mnt directory of it", _find),
        Step(3, "exit                            (inside)", "back on the host", _leave),
        Step(4, "tare images", "REPOSITORY TAG IMAGE ID CREATED VIRTUAL SIZE", _images),
        Step(4, f"tare run -d -p {names.port}:5000 {names.registry_image}", "the container's id", _registry),
        Step(4, f"tare tag {names.image} {names.pushed}", "(nothing)", _tag),
        Step(4, f"tare push {names.pushed}", "Pushing repository; Image successfully pushed", _push),
        Step(5, f"tare run -i -t {names.image} {_NEW_FILE}", "(nothing)", _make_file),
        Step(5, "tare ps -a", "Exited (0), happy_tesla", _exited),
        Step(5, f"tare commit NAME {names.committed}", "the new image's id", _commit),
        Step(5, f"tare push {names.committed}", "Image already pushed, skipping; the new one is pushed", _push_again),
    )
