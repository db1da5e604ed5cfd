"""Measure all contestants in turn, round after round, and print figures and ratios."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.contest import Contest, hold
from benchmarks.machine import machine
from benchmarks.measurements import all_contests
from benchmarks.pages import short_figures, with_tables
from benchmarks.report import table
from benchmarks.results import Report, load, merged, save

_DOCS = Path("docs")


def main() -> int:
    options = _parser().parse_args()
    if options.write_docs is not None:
        return _write_docs(options.write_docs)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing of a contestant stays behind
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled
    contests = list(all_contests(is_quick=options.quick))
    chosen = [each for each in contests if _is_asked_for(each, options.only)]
    names = "\n".join(f"{each.name:20} {each.question}" for each in contests)
    if options.list:
        print(names)
        return 0
    if not chosen:
        print(f"nothing is called {' or '.join(options.only)}; there is\n{names}", file=sys.stderr)
        return 2
    return _measure(chosen, options, [each.name for each in contests])


def _measure(chosen: Sequence[Contest], options: argparse.Namespace, order: Sequence[str]) -> int:
    rounds = {each.name: options.rounds or (1 if options.quick else each.rounds) for each in chosen}
    if not options.quick:
        _tell(_expected(chosen, rounds))
    report = Report(machine(), options.quick, ())
    if options.json is not None and options.json.exists():
        try:
            report = merged(load(options.json), report, order)
        except ValueError as error:
            print(f"{options.json}: {error}; name another file", file=sys.stderr)
            return 2
    for contest in chosen:
        result = hold(contest, rounds[contest.name], _tell)
        print(f"\n{table(result)}\n", flush=True)
        report = merged(report, Report(report.machine, report.is_quick, (result,)), order)
        if options.json is not None:
            save(report, options.json)  # after each, so that an interrupted run leaves what it has
    return 0


def _write_docs(docs: Path) -> int:
    from benchmarks.plots import draw  # needs a library that nothing else here needs

    report = load(docs / "benchmarks" / "results.json")
    plots = [f"benchmarks/{each.name}" for each in draw(report, docs / "benchmarks")]
    page = docs / "benchmarks.md"
    text = with_tables(page.read_text(), report, plots)
    page.write_text(text)
    for title in short_figures(report):
        if f"### {title}\n" not in text:
            print(f"{page} has no section '### {title}' that says why it falls short", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="this contest or chapter; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="the names of all contests, and nothing else")
    parser.add_argument(
        "--rounds", type=int, help="how often each is measured, not as often as the contest says"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, one round: does it work?")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all values there, in place of those of the same contests",
    )
    parser.add_argument(
        "--write-docs",
        nargs="?",
        type=Path,
        const=_DOCS,
        metavar="FOLDER",
        help=f"measure nothing: make tables and plots of FOLDER ({_DOCS}) from its benchmarks/results.json",
    )
    return parser


def _is_asked_for(contest: Contest, only: list[str] | None) -> bool:
    return only is None or any(
        name in (contest.name, contest.chapter) or contest.name.startswith(f"{name}-") for name in only
    )


def _expected(chosen: Iterable[Contest], rounds: dict[str, int]) -> str:
    """Return how long it will take, from how long it took."""
    known = _DOCS / "benchmarks" / "results.json"
    took = {each.name: each.seconds / each.rounds for each in load(known).results} if known.exists() else {}
    expected = sum(took.get(each.name, 0.0) * rounds[each.name] for each in chosen)
    unknown = [each.name for each in chosen if each.name not in took]
    return f"about {expected / 60:.0f} minutes" + (f", without {', '.join(unknown)}" if unknown else "")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # what was measured before is in the file
