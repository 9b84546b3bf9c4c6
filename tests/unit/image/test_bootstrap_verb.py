"""What `tare image bootstrap` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.image.bootstrap import BootstrapOptions
from runtime.tare.context import Session
from runtime.tare.errors import CommandError, UsageError
from runtime.tare.images.bootstrap import BOOTSTRAP, options_of

if TYPE_CHECKING:
    from pathlib import Path

PATH = "tare image bootstrap"


def test_without_flags_it_is_the_smallest_base_with_a_shell() -> None:
    assert options_of(BOOTSTRAP.parse(PATH, ["debian:bookworm"])) == BootstrapOptions()


def test_an_image_of_a_package() -> None:
    words = ["registry:2", "--include", "docker-registry,procps", "--include=curl", "--expose", "5000", "--timeout=60"]
    given = BOOTSTRAP.parse(PATH, [*words, "--entrypoint", "docker-registry serve", "--cmd", "'/etc/a b'"])
    options = options_of(given)
    assert options.include == ("docker-registry", "procps", "curl")
    assert (options.entrypoint, options.cmd) == (("docker-registry", "serve"), ("/etc/a b",))
    assert (options.exposed_ports, options.deadline_s) == (("5000/tcp",), 60)


@pytest.mark.parametrize("words", [[], ["a", "b"], ["a", "--timeout", "soon"], ["a", "--timeout=0"]])
def test_what_makes_no_sense(words: list[str]) -> None:
    with pytest.raises(UsageError):
        BOOTSTRAP.parse(PATH, words)


def test_what_cannot_be_made_is_an_error_of_one_line(tmp_path: Path) -> None:
    given = BOOTSTRAP.parse(PATH, ["debian:bookworm", "--variant", "huge"])
    with Session(str(tmp_path)) as session, pytest.raises(CommandError, match="variant 'huge'"):
        BOOTSTRAP.perform(session, given)
    assert list(tmp_path.iterdir()) == []
