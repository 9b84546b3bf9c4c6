from __future__ import annotations

from hypervisor.console import ConsoleFacts, last_words

BOOTED = b"[    0.1] usb: x\r\ntare: init\r\ntare: process started\r\nGET /\r\n"


def test_a_running_guest_has_no_exit_status() -> None:
    assert ConsoleFacts.parse(BOOTED) == ConsoleFacts(
        init_reached=True, process_started=True, exit_status=None, failure=None, panic=None
    )


def test_the_exit_status_is_inits_own_line() -> None:
    assert ConsoleFacts.parse(BOOTED + b"tare: exit 143\r\n[ 4.2] reboot: Power down").exit_status == 143
    assert ConsoleFacts.parse(BOOTED + b"the image said tare: exit 1\r\n").exit_status is None


def test_a_status_half_written_is_none_yet() -> None:
    assert ConsoleFacts.parse(BOOTED + b"tare: exit 14").exit_status is None


def test_a_panic_and_a_failure_carry_their_words() -> None:
    panic = b"[    1.4] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[ 1.5] more"
    assert ConsoleFacts.parse(panic).panic == "VFS: Unable to mount root fs"
    assert ConsoleFacts.parse(b"tare: init\r\ntare: failed: mount the root disk\r\n").failure == "mount the root disk"


def test_nothing_at_all_is_no_sign_of_life() -> None:
    facts = ConsoleFacts.parse(b"")
    assert not facts.init_reached
    assert not facts.process_started


def test_last_words_are_the_last_line_with_something_in_it() -> None:
    assert last_words(b"one\r\ntwo \xff\r\n\r\n  \r\n") == "two �"
    assert last_words(b"") == ""
