import re
from pathlib import Path

import pytest

from circus_core import drivers
from circus_core.drivers import Drivers, resolve_name
from circus_core.errors import DriverError
from tests.packages import Installer, installer

__all__ = ["installer"]

SPACE = "circus.streams"


def test_a_driver_is_found_by_its_name(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    assert Drivers().load(SPACE, "BellStream").__name__ == "Bell"


def test_an_old_dotted_name_that_is_an_entry_point_wins_over_the_path(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\nclass Old:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nbells.Old = bells:Bell\n")
    assert Drivers().load(SPACE, "bells.Old").__name__ == "Bell"


@pytest.mark.parametrize("path", ["bells.Bell", "bells:Bell"])
def test_a_dotted_path_works_where_a_name_does(installer: Installer, path: str) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    assert Drivers().load(SPACE, path).__name__ == "Bell"


def test_an_unknown_name_says_what_is_installed_and_which_extras_give_more(
    installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "_KERNEL", "kernel-for-tests")
    more = "".join(
        f"Provides-Extra: {extra}\nRequires-Dist: {package}<0.2,>=0.1; extra == '{extra}'\n"
        for extra, package in [
            ("zinc", "circus-zinc"),
            ("iron", "circus-iron"),
            ("here", "circus-x"),
            ("yaml", "no-such-yaml"),
        ]
    )
    installer.package("kernel-for-tests", "", more=more)
    installer.package(
        "circus-x", "[circus.tests]\nBellStream = bells:Bell\nAStream = a:A\nold.path.Bell = bells:Bell\n"
    )
    expected = (
        "no driver of circus.tests 'BelStream' is installed; installed: AStream, BellStream; "
        "did you mean 'BellStream'?; extras of kernel-for-tests that provide more: iron, zinc"
    )
    with pytest.raises(DriverError, match=f"^{re.escape(expected)}$"):
        Drivers().load("circus.tests", "BelStream")


@pytest.mark.parametrize(
    ("namespace", "noun"),
    [
        ("circus.plugins", "plugin class"),
        ("circus.streams", "stream class"),
        ("circus.commands", "command"),
        ("circus.backends", "backend"),
        ("circus.config", "config reader"),
    ],
)
def test_errors_call_a_driver_by_its_noun(namespace: str, noun: str) -> None:
    with pytest.raises(DriverError, match=f"^no {noun} 'zzz' is installed; installed: "):
        Drivers().load(namespace, "zzz")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(2)", "SystemExit: 2"),
    ],
)
def test_a_driver_that_cannot_be_imported_names_its_distribution(
    installer: Installer, source: str, reason: str
) -> None:
    installer.module("bells", source)
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    expected = f"stream class 'BellStream' of circus-x 0.1.0 failed to load: {reason}"
    with pytest.raises(DriverError, match=f"^{re.escape(expected)}$"):
        Drivers().load(SPACE, "BellStream")


def test_a_missing_class_names_its_distribution(installer: Installer) -> None:
    installer.module("bells", "")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    with pytest.raises(DriverError, match=r"'BellStream' of circus-x 0.1.0 failed to load: .*Bell"):
        Drivers().load(SPACE, "BellStream")


def test_a_package_installed_later_is_seen(installer: Installer) -> None:
    found = Drivers()
    with pytest.raises(DriverError):
        found.load(SPACE, "BellStream")
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    assert found.load(SPACE, "BellStream").__name__ == "Bell"


def test_an_entry_point_added_in_place_is_seen(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    found = Drivers()
    found.load(SPACE, "BellStream")
    [points] = Path(installer.folder).glob("*/entry_points.txt")
    points.write_text(f"{points.read_text()}GongStream = bells:Bell\n")
    assert found.load(SPACE, "GongStream").__name__ == "Bell"


def test_stevedores_cache_is_not_asked(
    installer: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stevedore import _cache

    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("the cache was asked")

    monkeypatch.setattr(_cache, "get_group_all", never)
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    assert Drivers().load(SPACE, "BellStream").__name__ == "Bell"


def test_two_packages_with_the_same_name_are_an_error(installer: Installer) -> None:
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    installer.package("circus-y", f"[{SPACE}]\nBellStream = gongs:Gong\n")
    with pytest.raises(
        DriverError, match=r"provided by circus-\w 0.1.0 and by circus-\w 0.1.0: uninstall one"
    ):
        Drivers().load(SPACE, "BellStream")


def test_another_broken_driver_of_the_namespace_does_no_harm(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\nBad = no_such_module:Bad\n")
    assert Drivers().load(SPACE, "BellStream").__name__ == "Bell"


def test_a_driver_is_loaded_once(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", f"[{SPACE}]\nBellStream = bells:Bell\n")
    found = Drivers()
    first = found.load(SPACE, "BellStream")
    (installer.folder / "bells.py").unlink()
    assert found.load(SPACE, "BellStream") is first


def test_the_drivers_of_a_namespace_are_listed(installer: Installer) -> None:
    installer.module("bells", "class Bell:\n    pass\n")
    installer.package("circus-x", "[circus.tests]\nb = bells:Bell\na = bells:Bell\n")
    found = Drivers()
    assert found.names("circus.tests") == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module.thing", "there is no module 'no_such_module'"),
        ("no_such.module:thing", "there is no module 'no_such'"),
        ("os.pth.join", "there is no module 'os.pth'"),
        ("os.path.jion", "has no 'jion'"),
        ("collections.OrderedDict.nothing", "module 'collections' has no 'OrderedDict.nothing'"),
        ("bells.Bell", "importing 'bells' failed: No module named 'no_such_module'"),
        ("alone", "'alone' is not of the form package.module.name or package.module:name"),
        ("os:", "'os:' is not of the form"),
        (":x", "':x' is not of the form"),
        ("a..b", "'a..b' is not of the form"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(installer: Installer, path: str, reason: str) -> None:
    installer.module("bells", "import no_such_module")
    with pytest.raises(DriverError, match=re.escape(reason)):
        resolve_name(path)


def test_a_path_may_lead_into_a_class() -> None:
    assert resolve_name("collections.OrderedDict.fromkeys")
    assert resolve_name("collections:OrderedDict.fromkeys")
