"""Circus itself, installed beside this package: each has overwritten files of the other in `circus`."""

from __future__ import annotations

import os
import warnings
from typing import Final

__all__ = ["MEND", "original", "refuse_original", "warn_of_original"]

MEND: Final = (
    "run: pip uninstall --yes circus circus-compat, then: pip install circus-compat "
    "(or, for programs that require the distribution circus, the build of it under that name)"
)
_PREFIX, _SUFFIX = "circus-", ".dist-info"
_OWN_LABEL: Final = "+core."
"""In the version of the build of this package under the name `circus`."""


def original(package: str) -> str | None:
    """Return the version of Circus, if pip has installed it where a package lies; not our own build.

    Only names of files are looked at: importlib.metadata takes longer than all else that is imported.

    Args:
        package: the `__init__.py` of the package.
    """
    folder = os.path.dirname(os.path.dirname(package))
    found = [
        name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for name in os.listdir(folder) if _is_info(name)
    ]
    return next((version for version in found if _OWN_LABEL not in version), None)


def _is_info(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def warn_of_original() -> None:
    """Warn that files of both lie in one folder."""
    version = original(__file__)
    if version is not None:
        warnings.warn(
            f"Circus {version} and circus-compat are both installed, and each has overwritten files "
            f"of the other in the folder 'circus'; {MEND}",
            RuntimeWarning,
            stacklevel=3,
        )


def refuse_original() -> None:
    """Raise ImportError if `import circus` is not this package any more, since Circus was installed later."""
    import circus

    if hasattr(circus, "warn_of_original"):
        return
    version = original(str(circus.__file__))
    raise ImportError(
        f"'import circus' gets Circus {version or 'of its own'} in the place of circus-compat; {MEND}"
    )
