"""What holds for every test of this repository, wherever it lies."""

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings


def _switch_off_entry_point_cache() -> Path:
    """Point XDG_CACHE_HOME at an empty folder in which stevedore finds its cache switched off.

    Its cache on disk is keyed by times two minutes coarse: a test that installs, or a developer who has just
    added an entry point, would see the list of before. Child processes inherit the variable.

    Returns:
        The folder.
    """
    cache = Path(tempfile.mkdtemp(prefix="circus-tests-cache-"))
    switch = cache / "python-entrypoints" / ".disable"
    switch.parent.mkdir()
    switch.touch()
    os.environ["XDG_CACHE_HOME"] = str(cache)
    return cache


_CACHE = _switch_off_entry_point_cache()


def _heed_the_keyboard() -> None:
    """Give SIGINT and SIGQUIT their effect where a shell has taken it: it does for its background jobs.

    What tests start would ignore them from its first instruction, and never end by them.
    """
    for signum, handler in (signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, handler)


_heed_the_keyboard()

# How long an example takes, or takes to be made, says more about the machine than about the code. Examples
# are the same each time, or a change would be refused for what it did not do; `--hypothesis-profile search`
# tries others.
settings.register_profile(
    "search", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("circus", settings.get_profile("search"), derandomize=True)
settings.load_profile("circus")


def pytest_unconfigure() -> None:
    """Remove the cache folder. Not at exit of the interpreter: a forked child would do that too."""
    shutil.rmtree(_CACHE, ignore_errors=True)


@pytest.fixture(autouse=True)
def _folders_that_others_may_enter(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let other users through to the folder of a test, which lets them in itself if it means to.

    Not once for all tests: whoever else starts pytest meanwhile closes the uppermost folder.
    """
    base = tmp_path_factory.getbasetemp()
    for folder in (base, *base.parents):
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o011)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `root` where we are not root."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs the rights of root")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give tests to workers by shares, in the order of their collection; see tests/shares.py."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

    from tests.shares import share

    class Shares(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return share(nodeid)

    config.option.loadscopereorder = False  # by the number of tests, which tells little
    return Shares(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several workers are at work, let them begin with what takes longest."""
    if hasattr(config, "workerinput"):
        from tests.shares import rank

        items.sort(key=lambda item: rank(item.nodeid))
