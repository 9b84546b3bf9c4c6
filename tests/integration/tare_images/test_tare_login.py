"""Credentials: asked of the registry, kept where docker keeps them, and used from there."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.registry import Registry, docker_registry, make_authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import Image
    from tests.support.fake_registry import FakeRegistry
    from tests.support.tarecli import Tare

pytestmark = pytest.mark.root

HELPER = """#!/bin/sh
case $1 in
  store) cat > "$HOME/kept" ;;
  get) cat "$HOME/kept" ;;
  erase) rm "$HOME/kept" ;;
esac
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    directory = tmp_path_factory.mktemp("guarded")
    # bcrypt, and that only, is what the registry takes; of the cheapest kind, for each request is checked anew.
    script = "print 'me:', crypt('pass word', '$2y$05$' . 'a' x 21 . 'u'), qq(\\n)"
    done = subprocess.run(("perl", "-e", script), check=True, capture_output=True, text=True)
    (directory / "users").write_text(done.stdout)
    auth = {"htpasswd": {"realm": "test", "path": str(directory / "users")}}
    with docker_registry(directory / "registry", auth=auth) as running:
        yield running


def config_of(tare: Tare) -> Path:
    return tare.root.parent / f"{tare.root.name}-home/.docker/config.json"


def test_login_push_logout(guarded: Registry, tare: Tare, site: Image) -> None:
    name = f"{guarded.host}/site:1"
    tare("tag", "site:1", name)
    assert "no basic auth credentials" in tare.failure("push", name).partition("\n")[0]
    said = tare.failure("login", "-u", "me", "--password-stdin", guarded.host, stdin="wrong")
    assert "unauthorized: incorrect username or password" in said
    assert not config_of(tare).exists()
    assert tare("login", "-u", "me", "--password-stdin", guarded.host, stdin="pass word\n") == "Login Succeeded\n"
    assert stat.S_IMODE(config_of(tare).stat().st_mode) == 0o600
    assert set(json.loads(config_of(tare).read_text())["auths"]) == {guarded.host}
    assert f"digest: {site.digest}" in tare("push", name)
    assert guarded.host in tare("search", f"{guarded.host}/si")
    assert tare("logout", guarded.host) == f"Removing login credentials for {guarded.host}\n"
    assert tare("logout", guarded.host) == f"Not logged in to {guarded.host}\n"
    assert "pull access denied" in tare.failure("pull", name)


def test_a_helper_keeps_them(guarded: Registry, tare: Tare, tmp_path: Path) -> None:
    program = tmp_path / "bin/docker-credential-test"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    helped = replace(tare, more={"PATH": f"{program.parent}:/usr/bin:/bin"})
    assert helped.environment
    config_of(tare).parent.mkdir(parents=True)
    config_of(tare).write_text(json.dumps({"credsStore": "test", "HttpHeaders": {"x": "y"}}))
    done = helped.run("login", "-u", "me", "--password-stdin", guarded.host, stdin="pass word")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(config_of(tare).read_text())
    assert document == {"credsStore": "test", "HttpHeaders": {"x": "y"}, "auths": {guarded.host: {}}}
    kept = {"ServerURL": guarded.host, "Username": "me", "Secret": "pass word"}
    assert json.loads((config_of(tare).parents[1] / "kept").read_text()) == kept
    assert "not found" in helped.failure("pull", f"{guarded.host}/nothing")
    helped("logout", guarded.host)
    assert not (config_of(tare).parents[1] / "kept").exists()


def test_a_registry_with_a_certificate_of_its_own(tare: Tare, site: Image, tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "authority")
    tls = {"certificate": str(authority.certificate), "key": str(authority.key)}
    with docker_registry(tmp_path / "secure", tls=tls) as secure:
        name = f"{secure.host}/site:1"
        tare("tag", "site:1", name)
        assert "certificate" in tare.failure("push", name)
        trusted = config_of(tare).parents[1] / f".config/containers/certs.d/{secure.host}"
        trusted.mkdir(parents=True)
        shutil.copy(authority.ca, trusted / "ca.crt")
        assert f"digest: {site.digest}" in tare("push", name)


def test_search_as_the_hub_answers(fake: FakeRegistry, tare: Tare) -> None:
    results = [{"name": "nginx", "description": "Official build of Nginx.", "star_count": 20000, "is_official": True},
               {"name": "me/nginx", "description": "mine", "star_count": 1, "is_official": False}]  # fmt: skip
    fake.rule("GET /v1/search", lambda one: one.answer(200, json.dumps({"results": results}).encode()))
    said = tare("search", f"{fake.host}/nginx").splitlines()
    assert said[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
    assert said[1].split() == ["nginx", "Official", "build", "of", "Nginx.", "20000", "[OK]"]
    assert tare("search", "--filter", "stars=2", "--format", "{{.Name}}", f"{fake.host}/nginx") == "nginx\n"
    assert "outside the range" in tare.run("search", "--limit", "0", f"{fake.host}/nginx").stderr
    assert fake.seen("GET /v1/search")[0].path == "/v1/search?q=nginx&n=25"
