"""The benchmarks work with small numbers: who is there takes part, and results become tables and plots."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
    ),
    pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="a source distribution has none"),
    pytest.mark.timeout(660),
]


def benchmarks(*words: str, temporary: Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run the program; what is made for contestants goes below `temporary`."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like docs/, with the page as it is and the results of a quick run of everything."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "benchmarks").mkdir()
    shutil.copy(ROOT / "docs" / "benchmarks.md", folder)
    results = str(folder / "benchmarks" / "results.json")
    temporary = tmp_path_factory.mktemp("t")
    ran = benchmarks("--quick", "--json", results, temporary=temporary, timeout=600.0)
    assert ran.returncode == 0, ran.stderr
    assert list(temporary.iterdir()) == []  # and what runs there has ended
    (folder / "printed").write_text(ran.stdout)
    return folder


@pytest.fixture(scope="module")
def results(docs: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((docs / "benchmarks" / "results.json").read_text())["results"]
    return told


@pytest.mark.slow
def test_every_figure_of_ours_has_a_value(results: list[dict[str, Any]]) -> None:
    failures = [sentence for result in results for sentence in result["failures"]]
    ours = {
        figure["name"]: [
            value
            for name, values in result["values"][figure["name"]].items()
            for value in values
            if name.startswith("circus-core")
        ]
        for result in results
        if not any(sentence.startswith("circus-core") for sentence in result["missing"])
        for figure in result["figures"]
    }
    assert ours
    assert [name for name, values in ours.items() if not values or None in values] == [], failures


@pytest.mark.slow
def test_each_title_is_that_of_one_figure_so_that_reasons_can_be_linked(
    results: list[dict[str, Any]],
) -> None:
    titles = [figure["title"] for result in results for figure in result["figures"]]
    assert sorted(set(titles)) == sorted(titles)


@pytest.mark.slow
def test_a_table_is_printed_for_every_figure(docs: Path, results: list[dict[str, Any]]) -> None:
    printed = (docs / "printed").read_text()
    for result in results:
        for figure in result["figures"]:
            assert f"{figure['title']}, {figure['unit']} ({result['settings']})" in printed


@pytest.mark.slow
def test_the_page_gets_tables_and_plots_which_are_the_same_each_time(
    docs: Path, results: list[dict[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    made = []
    for _ in range(2):
        ran = benchmarks("--write-docs", str(docs), temporary=tmp_path)
        assert ran.returncode == 0, ran.stderr
        made.append({path: path.read_bytes() for path in (docs / "benchmarks.md", *docs.rglob("*.svg"))})
    assert made[0] == made[1]
    page = (docs / "benchmarks.md").read_text()
    assert "small: they show that everything works, and nothing else" in page
    assert [
        each["title"]
        for result in results
        for each in result["figures"]
        if f"**{each['title']}**" not in page
    ] == []
    pictures = {path.relative_to(docs).as_posix() for path in docs.rglob("*.svg")}
    assert pictures
    assert {picture for picture in pictures if f"]({picture})" in page} == pictures


@pytest.mark.slow
def test_results_of_small_numbers_are_not_mixed_with_others(docs: Path, tmp_path: Path) -> None:
    file = docs / "benchmarks" / "results.json"
    ran = benchmarks("--only", "top", "--json", str(file), temporary=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"{file}: its results are of" in ran.stderr


ENDED = """
import sys
from pathlib import Path
from benchmarks.contestants import started
from benchmarks.roll_call import RollCall
from benchmarks.work import Work

words = ["sh", "-c", "echo this address is taken >&2; exit 3"]
with RollCall(Path(sys.argv[1])) as roll_call, started(words, Work(command=("true",))) as ended:
    roll_call.wait_for(ended, 2)
"""


def test_a_contestant_that_ends_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ENDED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (
        "0 of 2 processes came up; it has ended with status 3; it said: this address is taken" in ran.stderr
    )


def test_an_unknown_name_is_refused_with_what_there_is(tmp_path: Path) -> None:
    ran = benchmarks("--only", "nonsense", temporary=tmp_path)
    assert ran.returncode == 2
    names = benchmarks("--list", temporary=tmp_path).stdout
    assert ran.stderr == f"nothing is called nonsense; there is\n{names}"
    assert "start-10 " in names
