"""Whoever is killed leaves a record: what the dead hold is undone, and what the living hold is repaired."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bench import inventory
from bench.cleaning import _networks as clean_networks
from bench.context import Roots
from runtime.network.planning import Attach
from runtime.network.ports import parse_port
from tests.conftest import ROOT
from tests.support.networks import eventually, fetch, make_host, run, stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.network.networks import Networks
    from tests.support.networks import Host

pytestmark = pytest.mark.root

# argv: networks, run, container, step: it dies right after that step.
_ATTACHER = """
import os, signal, sys
from pathlib import Path
from runtime.network import attachment, nft, star
from runtime.network.networks import Networks
from runtime.network.planning import Attach
from runtime.network.ports import parse_port
from runtime.network.presence import Presence
from runtime.network.store import Store

def dying(of, name):
    before = getattr(of, name)
    def die(*arguments, **named):
        before(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(of, name, die)

places = {"lease": (Store, "write_lease"), "bridge": (star, "raise_first"), "link": (attachment, "attach"),
          "erased": (Store, "erase_place"), "rules": (Presence, "_rules"), "ports": (Presence, "publish"),
          "table": (nft, "change")}
if sys.argv[4] in places:
    dying(*places[sys.argv[4]])
networks = Networks(Path(sys.argv[1]), Path(sys.argv[2]))
path = networks.create_namespace(sys.argv[3])
networks.attach(Attach("web", sys.argv[3], path, ports=(parse_port("8080:80"),)))
if sys.argv[4] in ("detach", "erased"):
    dying(attachment, "detach") if sys.argv[4] == "detach" else None
    networks.detach(sys.argv[3])
print("attached", flush=True)
input()
"""
_ALLOCATOR = """
import sys
from pathlib import Path
from runtime.network.networks import Networks
from runtime.network.planning import Attach
networks = Networks(Path(sys.argv[1]), Path(sys.argv[2]))
for number in range(int(sys.argv[4])):
    name = f"{sys.argv[3]}-{number}"
    print(networks.attach(Attach("web", name, networks.create_namespace(name), pid=int(sys.argv[5]))).v4)
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        made.create("web", "10.33.0.0/24", "fd33::/64")
        yield made


def command(program: str, host: Host, *arguments: str) -> list[str]:
    places = (str(host.directory / "networks"), str(host.directory / "tare-networks"))
    return [sys.executable, "-c", program, *places, *arguments]


def attacher(host: Host, container_id: str, step: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(_ATTACHER, host, container_id, step), cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("step", ["lease", "bridge", "rules", "table", "link", "ports", "detach"])
def test_what_a_killed_process_was_in_the_middle_of_is_undone(host: Host, step: str) -> None:
    before = host.facts()
    with attacher(host, "dying", step) as process:
        assert process.wait(timeout=30) == -signal.SIGKILL
    assert any("dying" in line for line in host.networks.leftovers())
    assert any("dying" in line for line in host.networks.reconcile())
    assert eventually(lambda: host.facts() == before), host.facts()
    assert (host.networks.leftovers(), host.networks.reconcile()) == ((), ())


def test_a_network_whose_last_container_was_just_given_back_is_removed_whole(host: Host) -> None:
    before = host.facts()
    with attacher(host, "dying", "erased") as process:
        assert process.wait(timeout=30) == -signal.SIGKILL
    host.networks.catalog.remove("web")
    host.networks.remove_namespace("dying")
    assert eventually(lambda: host.facts() == before), host.facts()


def test_the_living_keep_what_they_have_while_the_dead_lose_it(host: Host) -> None:
    living, lease = host.container("web", ports=(parse_port("8081:80"),))
    living.serve(80, "alive")
    with attacher(host, "dying", "none") as process:
        assert process.stdout
        assert process.stdout.readline() == "attached\n"
        assert host.networks.leftovers() == ()
        stop(process)
    run("nft", "flush", "ruleset")
    assert host.networks.reconcile() == ("lease of dying in network web", "network namespace of dying")
    assert (fetch("127.0.0.1", 8081) or "").startswith("alive")
    assert fetch("127.0.0.1", 8080) is None
    assert host.networks.catalog.describe("web")["containers"].keys() == {living.id}
    assert "8080" not in run("nft", "list", "ruleset")
    assert host.container("web")[1].v4 == "10.33.0.3"
    assert lease.v4 == "10.33.0.2"


def test_a_container_that_its_process_holds_survives_the_engine(host: Host) -> None:
    with attacher(host, "mine", "none") as engine:
        assert engine.stdout
        assert engine.stdout.readline() == "attached\n"
        host.networks.adopt("mine", os.getpid())
        stop(engine)
    assert (host.networks.leftovers(), host.networks.reconcile()) == ((), ())
    assert host.networks.catalog.describe("web")["containers"].keys() == {"mine"}
    host.networks.release("mine")


def test_an_attachment_takes_over_from_a_dead_one(host: Host) -> None:
    with attacher(host, "again", "ports") as process:
        process.wait(timeout=30)
    path = host.networks.pins.path("again")
    lease = host.networks.attach(Attach("web", "again", path, ports=(parse_port("8080:80"),)))
    assert lease.v4 == "10.33.0.2"
    assert len([line for line in run("ip", "-o", "link").splitlines() if "tarec" in line]) == 1
    host.networks.release("again")


def test_reserved_addresses_of_containers_that_are_no_more_are_given_back(host: Host) -> None:
    for name in ("kept", "gone"):
        container, _ = host.container("web", id=name)
        host.networks.detach(container.id, keep=True)
    assert host.networks.reconcile() == ()
    assert host.networks.reconcile(known={"kept"}) == ("lease of gone in network web",)
    assert host.networks.catalog.describe("web")["containers"].keys() == {"kept"}


def test_a_broken_record_is_undone(host: Host) -> None:
    container, _ = host.container("web")
    (record,) = (host.directory / "networks/web.leases").iterdir()
    record.write_text("{")
    assert f"lease of {container.id} in network web" in host.networks.reconcile()
    assert "tareb" not in run("ip", "-o", "link")


def test_a_link_without_a_record_goes(host: Host) -> None:
    host.container("web")
    network = host.networks.store.network("web")
    run("ip", "link", "add", "tarecstray", "type", "veth", "peer", "name", "other")
    run("ip", "link", "set", "tarecstray", "alias", f"{network.label}:nobody")
    assert host.networks.reconcile() == ("link tarecstray",)
    assert "tarecstray" not in run("ip", "-o", "link")


def test_a_deleted_bridge_is_made_again(host: Host) -> None:
    one, _ = host.container("web")
    run("ip", "link", "del", host.networks.store.network("web").segment(0))
    two, _ = host.container("web")
    assert two.pings("10.33.0.1")
    assert not one.pings("10.33.0.1")  # its link has lost its bridge


def test_processes_that_allocate_at_once_never_share_an_address(host: Host) -> None:
    def allocate(name: str) -> list[str]:
        argv = command(_ALLOCATOR, host, name, "8", str(os.getpid()))
        return subprocess.run(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout.split()

    with ThreadPoolExecutor(3) as pool:
        addresses = [address for each in pool.map(allocate, ("a", "b", "c")) for address in each]
    assert len(set(addresses)) == len(addresses) == 24
    assert sorted(addresses, key=lambda text: int(text.rpartition(".")[2])) == [f"10.33.0.{n}" for n in range(2, 26)]
    for name in host.networks.catalog.describe("web")["containers"]:
        host.networks.release(name)


def test_the_benchmark_sees_networks_and_its_cleaning_undoes_what_the_dead_hold(host: Host) -> None:
    roots = Roots(host.directory, host.directory / "tare")
    before = inventory.take_inventory(roots)
    with attacher(host, "dying", "none") as process:
        assert process.stdout
        process.stdout.readline()
        after = inventory.take_inventory(roots)
        assert clean_networks(roots, dry_run=True) == ()
        stop(process)
    for kind in ("nft_rules", "mounts", "directories"):  # links are those of the host that /sys is of
        new = getattr(after, kind) - getattr(before, kind)
        assert new, kind
    held = ("lease of dying in network web", "network namespace of dying", *clean_networks(roots, dry_run=True)[2:])
    assert clean_networks(roots, dry_run=True) == held
    assert clean_networks(roots, dry_run=False) == held
    assert inventory.certify(before, lambda: inventory.take_inventory(roots)).left == ()


def test_a_forked_child_has_a_socket_of_its_own(host: Host) -> None:
    networks: Networks = host.networks
    host.container("web")
    if (pid := os.fork()) == 0:
        try:
            networks.detach("nobody")
            os._exit(0 if networks.socket.index("lo") == 1 else 1)
        except BaseException:  # noqa: BLE001 - a child of pytest must not go on
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    host.container("web")
