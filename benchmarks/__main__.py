"""Measure all contestants in turn, round after round, and print figures and ratios."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.contest import Contest, hold
from benchmarks.measurements import all_contests
from benchmarks.report import table, to_json


def main() -> int:
    options = _parser().parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled
    contests = list(all_contests(is_quick=options.quick))
    chosen = [each for each in contests if _is_asked_for(each, options.only)]
    if not chosen:
        names = ", ".join(each.name for each in contests)
        print(f"nothing is called {', '.join(options.only)}: there is {names}", file=sys.stderr)
        return 2
    results = []
    for contest in chosen:
        result = hold(contest, options.rounds or (1 if options.quick else contest.rounds), _tell)
        print(f"\n{table(result)}", flush=True)
        results.append(result)
    if options.json is not None:
        options.json.write_text(json.dumps([to_json(each) for each in results], indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="this contest; may be repeated")
    parser.add_argument(
        "--rounds", type=int, help="how often each is measured, not as often as the contest says"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, one round: does it work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    return parser


def _is_asked_for(contest: Contest, only: list[str] | None) -> bool:
    return only is None or contest.name in only or contest.name.partition("-")[0] in only


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
