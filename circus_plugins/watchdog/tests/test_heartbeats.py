"""What datagrams say."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_watchdog.heartbeats import Alive, Lost, Patience, read_message, read_notification
from circus_watchdog.settings import Settings

PATTERN = Settings().msg_regex


@pytest.mark.parametrize("data", [b"17603;1795221264.5", b"17603;", b"17603;a;b", b" 17603;x"])
def test_a_heartbeat_names_a_pid(data: bytes) -> None:
    if data == b"17603;a;b":
        with pytest.raises(ValueError, match="17603;a"):
            read_message(data, PATTERN)
    else:
        assert read_message(data, PATTERN) == Alive(17603)


@pytest.mark.parametrize("data", [b"", b"hello", b"pid;now", b"\xff;1", b";", b"1;" + b"x" * 1023])
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_message(data, PATTERN)


def test_another_form_can_be_wished_for() -> None:
    assert read_message(b"alive 12", re.compile(r"alive (?P<pid>\d+)")) == Alive(12)
    with pytest.raises(ValueError, match="invalid literal"):
        read_message(b"alive", re.compile("alive(?P<pid> 1)?"))


def test_a_notification_may_say_several_things() -> None:
    data = b"READY=1\nWATCHDOG=1\nSTATUS=x=y\nWATCHDOG_USEC=1500000\nWATCHDOG=trigger\nWATCHDOG=2\nBARRIER=1"
    assert list(read_notification(data, 7)) == [Alive(7), Patience(7, 1.5), Lost(7)]


@pytest.mark.parametrize("data", [b"WATCHDOG_USEC=soon", b"WATCHDOG_USEC=0", b"WATCHDOG_USEC=", b"\xff"])
def test_a_malformed_notification_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        list(read_notification(data, 7))


@given(st.binary(max_size=2000))
def test_no_datagram_does_harm(data: bytes) -> None:
    for read in (lambda: read_message(data, PATTERN), lambda: list(read_notification(data, 1))):
        with suppress(ValueError):
            read()
