"""What of the host's package sources goes into a base image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.image.bootstrap import BootstrapOptions, plan
from runtime.image.errors import BootstrapError
from runtime.image.sources import Source, deb822, host_sources, one_line, sources_for

if TYPE_CHECKING:
    from pathlib import Path

MIRROR = "http://mirror.test/debian"
STANZAS = f"""
# a comment
Types: deb deb-src
URIs: {MIRROR}
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDME/x
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: {MIRROR}
Suites: bookworm-security
Components: main

Types: deb-src
URIs: {MIRROR}
Suites: bookworm
Components: main
"""
LINES = f"""
# deb {MIRROR} sid main
deb [arch=amd64 signed-by=/keys/a.gpg] {MIRROR} bookworm main contrib # and so on
deb-src {MIRROR} bookworm main
deb {MIRROR}-security bookworm-security main
"""


def test_stanzas_are_read_with_keys_in_them_and_without_what_is_switched_off() -> None:
    (source,) = deb822(STANZAS)
    assert source.uris == (MIRROR,)
    assert source.suites == ("bookworm", "bookworm-updates", "bookworm-backports")
    assert source.components == ("main", "contrib")
    assert source.keyrings == ()
    assert list(deb822(source.stanza())) == [source]


def test_lines_are_read_with_their_options() -> None:
    first, second = one_line(LINES)
    assert (first.suites, first.components, first.keyrings) == (("bookworm",), ("main", "contrib"), ("/keys/a.gpg",))
    assert second == Source((f"{MIRROR}-security",), ("bookworm-security",), ("main",))


def test_all_files_are_read_that_apt_reads(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(LINES)
    (tmp_path / "sources.list.d/debian.sources").write_text(STANZAS)
    (tmp_path / "sources.list.d/old.list.save").write_text(LINES)
    assert len(host_sources(tmp_path)) == 3
    assert host_sources(tmp_path / "nothing") == ()


def test_a_release_is_taken_with_its_updates_and_from_nobody_else() -> None:
    vendor = Source(("http://vendor.test",), ("bookworm",), ("stable",))
    other = Source(("http://other.test",), ("bookworm-pgdg",), ("main",))
    found = sources_for("bookworm", "bookworm", (*deb822(STANZAS), vendor, other))
    assert [source.suites for source in found] == [("bookworm", "bookworm-updates")]


def test_another_release_is_looked_for_where_the_hosts_own_comes_from() -> None:
    found = sources_for("trixie", "bookworm", tuple(one_line(LINES)))
    assert [source.suites for source in found] == [("trixie",), ("trixie-security",)]
    named = Source((MIRROR,), ("trixie",), ("main",))
    assert sources_for("trixie", "bookworm", (*one_line(LINES), named)) == (named,)


def test_without_a_source_it_is_said_what_there_is() -> None:
    with pytest.raises(BootstrapError, match=r"no source of it \(it has: bookworm, bookworm-security\)"):
        sources_for("noble", "jammy", tuple(one_line(LINES)))


def test_the_image_gets_the_addresses_without_passwords() -> None:
    source = Source(("https://kim:secret@mirror.test/debian",), ("bookworm",), ("main",))
    assert "kim:secret@" in source.stanza()
    assert "URIs: https://mirror.test/debian\n" in source.stanza(secrets=False)


def configured(directory: Path, keyring: str) -> Path:
    directory.joinpath("sources.list").write_text(f"deb [signed-by={keyring}] {MIRROR} bookworm main\n")
    return directory


def test_the_tag_names_the_release_and_options_overrule_it(tmp_path: Path) -> None:
    keyring = tmp_path / "a.gpg"
    keyring.touch()
    apt = configured(tmp_path, str(keyring))
    order = plan("debian:bookworm-slim", BootstrapOptions(), apt)
    assert (order.suite, order.keyrings) == ("bookworm", (str(keyring),))
    assert plan("base:1", BootstrapOptions(suite="bookworm", include=("procps",)), apt).include == ("procps",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (BootstrapOptions(suite="bookworm"), "keyring /no/such.gpg is missing"),
        (BootstrapOptions(variant="huge"), "variant 'huge'"),
        (BootstrapOptions(include=("--option",)), "'--option' is no name"),
        (BootstrapOptions(suite="-x"), "'-x' is no name"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_done(
    tmp_path: Path, options: BootstrapOptions, words: str
) -> None:
    with pytest.raises(BootstrapError, match=words):
        plan("debian:bookworm", options, configured(tmp_path, "/no/such.gpg"))
