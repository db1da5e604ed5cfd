"""What is a secret, and what is not."""

from __future__ import annotations

import pytest

from circus_httpd.masking import MASK, has_mask, mask_text, mask_value, mask_values


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY",
        "API_TOKEN",
        "DB_PASSWORD",
        "PGPASS",
        "redis_passwd",
        "MY_PASS",
        "AWS_SECRET_ACCESS_KEY",
        "Cookie",
        "PRIVATE_PEM",
        "BASIC_AUTH",
        "stripe-key",
        "MAIL_PWD",
        "CREDENTIALS",
    ],
)
def test_what_is_called_a_secret_is_masked(name: str) -> None:
    assert mask_value(name, "x1") == MASK


@pytest.mark.parametrize(
    "name", ["PATH", "PWD", "OLDPWD", "HOME", "CIRCUS_KEYS", "BYPASS_CACHE", "AUTHOR", "LANG"]
)
def test_what_is_not_called_so_is_shown(name: str) -> None:
    assert mask_value(name, "/usr/bin") == "/usr/bin"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://bob:hunter2@db/app", f"postgres://bob:{MASK}@db/app"),
        ("redis://:p@ss@host:6379/0", f"redis://:{MASK}@host:6379/0"),
        ("https://host/hook?token=abc&x=1", f"https://host/hook?token={MASK}&x=1"),
        ("https://bob@host/", "https://bob@host/"),
        ("host=db password='top secret' user=x", f"host=db password={MASK} user=x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", MASK),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", MASK),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_secrets_within_values_are_masked(value: str, shown: str) -> None:
    assert mask_value("SOMETHING", value) == shown


def test_all_of_who_is_in_a_dsn_is_masked() -> None:
    assert mask_value("SENTRY_DSN", "https://abc123@sentry.example/4") == f"https://{MASK}@sentry.example/4"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("run --password=x -v", f"run --password={MASK} -v"),
        ("run --db-password x -v", f"run --db-password {MASK} -v"),
        ("run --token 'a b' end", f"run --token {MASK} end"),
        ("sh -c 'TOKEN=abc exec server'", f"sh -c 'TOKEN={MASK} exec server'"),
        ("serve --keyboard us --fd 3", "serve --keyboard us --fd 3"),
        ("celery -b amqp://u:p@mq//", f"celery -b amqp://u:{MASK}@mq//"),
        ("run --password --verbose", "run --password --verbose"),
    ],
)
def test_secrets_of_command_lines_are_masked(command: str, shown: str) -> None:
    assert mask_text(command) == shown


def test_nested_options_are_masked_and_named() -> None:
    shown, masked = mask_values(
        {
            "cmd": "run",
            "numprocesses": 3,
            "statsd.password": "x",
            "stdout_stream_conf": {"class": "F", "token": "t"},
        }
    )
    assert shown == {
        "cmd": "run",
        "numprocesses": 3,
        "statsd.password": MASK,
        "stdout_stream_conf": {"class": "F", "token": MASK},
    }
    assert masked == ["statsd.password", "stdout_stream_conf.token"]
    assert has_mask(shown)
    assert not has_mask({"a": [1, "b"]})


@pytest.mark.parametrize(
    "piece", ["a", "a-", "key", "--", "a://", "p:", "x@", "-----BEGIN ", " ", "'", "token="]
)
def test_long_texts_take_no_long_time(piece: str) -> None:
    for text in (piece * (200_000 // len(piece)), "--key " + piece * 50_000):
        mask_value("NAME", text)
