"""Wheels of what is installed here: new environments get the same dependencies without asking an index."""

import email
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# An installer writes these beside what the wheel brought.
WRITTEN_AT_INSTALL = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}


def installed_closure(requirements: Iterable[Requirement]) -> list[Distribution]:
    """Return the installed distributions that `requirements` need, directly or not."""
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, asked_by = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": asked_by}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {known for other, known in done if other == name}:
            done.add((name, extra))
            found[name] = distribution(name)
            waiting += [(Requirement(text), extra) for text in found[name].requires or ()]
    return list(found.values())


def repack(installed: Distribution, folder: Path) -> None:
    """Write into `folder` the wheel that `installed` came from, made of its installed files."""
    names = [
        str(file)
        for file in installed.files or ()
        if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in WRITTEN_AT_INSTALL
    ]
    (info,) = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
    with ZipFile(folder / f"{info.removesuffix('.dist-info')}-{_tags(installed)}.whl", "w") as wheel:
        for name in names:
            wheel.write(str(installed.locate_file(name)), name)
        record = f"{info}/RECORD"
        wheel.writestr(record, "".join(f"{name},,\n" for name in chain(names, [record])))


def _tags(installed: Distribution) -> str:
    """The tags of its wheel as a file name has them: `py2.py3-none-any`."""
    tags = email.message_from_string(installed.read_text("WHEEL") or "").get_all("Tag") or []
    return "-".join(
        ".".join(dict.fromkeys(part)) for part in zip(*(tag.split("-") for tag in tags), strict=True)
    )
