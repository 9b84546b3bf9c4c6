"""Values as JSON and back."""

from __future__ import annotations

import json

import pytest

from runtime.engine.codec import decode, encode
from runtime.engine.options import (
    CreateOptions,
    DeviceOption,
    HealthOptions,
    MountOption,
    PublishedPort,
    Ulimit,
)

FULL = CreateOptions(
    "box:1",
    ("sh", "-c", "true"),
    name="a",
    entrypoint=(),
    env=("A=1",),
    labels=(("k", "v"),),
    health=HealthOptions(("CMD", "true"), interval_s=0.5),
    cpus=1.5,
    ulimits=(Ulimit("nofile", 10, -1),),
    ports=(PublishedPort(80, 8080, host_ip="127.0.0.1"),),
    mounts=(MountOption("volume", "/data", labels=(("a", "b"),)),),
    tmpfs=(("/run", "size=1m"),),
    devices=(DeviceOption("/dev/fuse", "/dev/fuse"),),
    stop_timeout_s=0.0,
)


@pytest.mark.parametrize("options", [CreateOptions("box"), FULL])
def test_what_is_written_is_read(options: CreateOptions) -> None:
    assert decode(CreateOptions, json.loads(json.dumps(encode(options)))) == options


def test_defaults_are_not_written() -> None:
    assert encode(CreateOptions("box")) == {"image": "box"}


def test_none_and_nothing_are_two_things() -> None:
    """An entrypoint that is cleared is not the image's."""
    assert encode(CreateOptions("box", entrypoint=()))["entrypoint"] == []


def test_a_field_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="confinement"):
        decode(CreateOptions, {"image": "box", "confinement": "strict"})
