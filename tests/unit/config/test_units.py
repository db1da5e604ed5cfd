"""Kinds of values: section 4 of the configuration reference, and round trips."""

import signal
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_core.config import units
from circus_core.config.options import OPTIONS


@pytest.mark.parametrize("text", ["yes", "TRUE", "On", " 1 ", True, 1])
def test_words_for_true(text: Any) -> None:
    assert units.BOOL.parse(text) is True


@pytest.mark.parametrize("text", ["no", "False", "oFF", "0", False, 0])
def test_words_for_false(text: Any) -> None:
    assert units.BOOL.parse(text) is False


@pytest.mark.parametrize("text", ["", "maybe", "2", None, 2, []])
def test_other_words_are_no_boolean(text: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is made by the caller
        units.BOOL.parse(text)


@pytest.mark.parametrize(("text", "value"), [("5", 5), (" 7 ", 7), ("-3", -3), (4, 4), (4.0, 4)])
def test_whole_numbers(text: Any, value: int) -> None:
    assert units.WHOLE.parse(text) == value


@pytest.mark.parametrize("text", ["", "1.5", "x", 1.5, True, float("nan"), float("inf")])
def test_what_is_no_whole_number(text: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        units.WHOLE.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.5", 12.5),
        ("0", 0),
        (3, 3),
        ("30s", 30),
        ("500ms", 0.5),
        ("2 m", 120),
        ("1h", 3600),
        ("1d", 86400),
    ],
)
def test_seconds(text: Any, value: float) -> None:
    assert units.seconds().parse(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["-1", "inf", "nan", "30x", "", True, "1..2s"])
def test_what_are_no_seconds(text: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        units.seconds().parse(text)


def test_whole_seconds_take_units_but_no_fractions() -> None:
    assert units.whole_seconds().parse("1h") == 3600
    with pytest.raises(ValueError, match=r"1\.5"):
        units.whole_seconds().parse("1.5")


@pytest.mark.parametrize(
    ("text", "value"),
    [("002", 2), ("27", 0o27), ("022", 0o22), ("0o22", 0o22), ("777", 0o777), (0o22, 0o22), ("", None)],
)
def test_a_umask_is_octal(text: Any, value: int | None) -> None:
    assert units.OCTAL.parse(text) == value


@pytest.mark.parametrize("text", ["999", "8", "1000", "-1", "rw", True, 4.0])
def test_what_is_no_umask(text: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        units.OCTAL.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("quit", signal.SIGQUIT),
        ("INT", signal.SIGINT),
        ("SIGTERM", signal.SIGTERM),
        ("sigusr1", signal.SIGUSR1),
        ("3", 3),
        (15, 15),
        (signal.SIGHUP, 1),
        ("SIGRTMIN+1", signal.SIGRTMIN + 1),
        ("rtmax-2", signal.SIGRTMAX - 2),
    ],
)
def test_signals(text: Any, value: int) -> None:
    assert units.SIGNAL.parse(text) == value


@pytest.mark.parametrize("text", ["-", "SIGZORK", "", "0", "65", "SIG", "SIG_DFL", "TERM+200", True, 1.0])
def test_what_is_no_signal(text: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        units.SIGNAL.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2048", 2048),
        ("0", 0),
        ("", None),
        ("unlimited", None),
        ("-1", None),
        (None, None),
        ("10MB", 10 * 2**20),
        ("64k", 2**16),
        ("1GiB", 2**30),
        (77, 77),
    ],
)
def test_limits(text: Any, value: int | None) -> None:
    assert units.RLIMIT.parse(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("www-data", "www-data"), ("33", 33), (0, 0), ("", None), ("DOM\\user", "DOM\\user")]
)
def test_users(text: Any, value: str | int | None) -> None:
    assert units.USER.parse(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b.c", ("a.b.c", False)),
        ("a.b:c", ("a.b:c", False)),
        ("a.b, true", ("a.b", True)),
        ("a.b,no", ("a.b", False)),
        (["a.b", True], ("a.b", True)),
        (("a.b",), ("a.b", False)),
        (print, (print, False)),
        ((print, True), (print, True)),
    ],
)
def test_hooks(text: Any, value: tuple[Any, bool]) -> None:
    assert units.HOOK.parse(text) == value


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:5555", "tcp://*:*", "ipc:///run/x", "ipc://var/run/x"])
def test_endpoints(text: str) -> None:
    assert units.CONTROL_ENDPOINT.parse(text) == text


@pytest.mark.parametrize("text", ["", "tcp://host", "127.0.0.1:5555", "tcp://h:70000", "udp://h:1", "ipc://"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        units.CONTROL_ENDPOINT.parse(text)


def test_multicast_is_off_when_empty() -> None:
    assert units.MULTICAST.parse("") is None
    assert units.MULTICAST.parse("udp://237.219.251.97:12027") == "udp://237.219.251.97:12027"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "True"),
        (3, "3"),
        (1.0, "1.0"),
        (Path("/a"), "/a"),
        (date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_scalars_are_written_as_in_an_ini_file(value: Any, text: str) -> None:
    assert units.to_text(value) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_whole_numbers_round_trip(number: int) -> None:
    assert units.WHOLE.parse(str(number)) == number
    assert units.RLIMIT.parse(str(number)) == number
    assert units.seconds().parse(f"{number}s") == number


@given(st.sampled_from(sorted(signal.Signals)))
def test_signal_names_round_trip(value: signal.Signals) -> None:
    assert units.SIGNAL.parse(value.name) == value
    assert units.SIGNAL.parse(value.name.removeprefix("SIG").lower()) == value
    assert units.SIGNAL.parse(str(int(value))) == value


@given(st.integers(min_value=0, max_value=0o777))
def test_umasks_round_trip(mask: int) -> None:
    assert units.OCTAL.parse(f"{mask:03o}") == mask


@given(
    st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.text()) | st.binary()
)
def test_a_kind_accepts_or_refuses_but_never_crashes(value: Any) -> None:
    for option in OPTIONS:
        try:
            option.kind.parse(value)
        except (ValueError, TypeError, OverflowError):
            assert isinstance(option.kind.suggest(str(value)), str)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.section}-{option.name}")
def test_a_default_is_accepted_by_its_own_option(option: Any) -> None:
    if option.default is not None:
        assert option.kind.parse(option.default) == option.default
