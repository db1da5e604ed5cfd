"""What `--check` prints."""

import json
from pathlib import Path

from circus_core.config.check import check

GOOD = "[circus]\nstream_backend = thread\n[watcher:web]\ncmd = sleep 60\nstop_signal = INT\n"


def checked(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "circus.ini"
    path.write_text(text)
    return path


def test_a_good_file_is_ok(tmp_path: Path) -> None:
    path = checked(tmp_path, GOOD)
    report = check(path)
    assert report.exit_code == 0
    assert report.text().splitlines() == [
        f"{path}:2: [circus]: stream_backend is ignored: output is always read on the loop; "
        "remove the line (notice)",
        f"{path}: ok, 1 watcher, 0 sockets, 0 plugins; 1 notice",
    ]


def test_doubts_fail_the_check_but_the_file_is_usable(tmp_path: Path) -> None:
    path = checked(tmp_path, GOOD + "numproces = 2\n")
    report = check(path)
    assert report.exit_code == 1
    assert report.config is not None
    assert (
        report.text().splitlines()[-1]
        == f"{path}: usable, 1 watcher, 0 sockets, 0 plugins; 1 doubt, 1 notice"
    )


def test_errors_fail_the_check(tmp_path: Path) -> None:
    path = checked(tmp_path, GOOD + "numprocesses = x\nuid = a b\n")
    report = check(path)
    assert (report.exit_code, report.config) == (1, None)
    assert report.text().splitlines()[-1] == f"{path}: 2 errors, 1 notice"


def test_json_holds_the_problems_and_the_resolved_configuration(tmp_path: Path) -> None:
    path = checked(tmp_path, GOOD + "numproces = 2\nhooks.before_start = a.b\n")
    document = json.loads(check(path).json())
    assert list(document) == ["config", "exit_code", "path", "problems"]
    assert document["problems"][1] == {
        "level": "doubt",
        "message": "numproces is not an option of the kernel; it is kept for plugins",
        "file": str(path),
        "line": 6,
        "section": "watcher:web",
        "option": "numproces",
        "value": None,
        "accepted": "",
        "suggestion": "did you mean numprocesses?",
    }
    (watcher,) = document["config"]["watchers"]
    assert watcher["stop_signal"] == 2
    assert watcher["hooks"] == {"before_start": {"target": "a.b", "ignore_failure": False}}
    assert document["config"]["arbiter"]["endpoint"] == "tcp://127.0.0.1:5555"


def test_json_of_a_broken_file_has_no_configuration(tmp_path: Path) -> None:
    document = json.loads(check(checked(tmp_path, "[watcher:web]\nuid = 1\n")).json())
    assert (document["config"], document["exit_code"]) == (None, 1)
