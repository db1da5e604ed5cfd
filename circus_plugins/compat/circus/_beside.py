"""Circus itself, installed beside this package: one has overwritten files of the other."""

from __future__ import annotations

import warnings
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

__all__ = ["MEND", "original", "refuse_original", "warn_of_original"]

MEND: Final = (
    "run: pip uninstall --yes circus circus-compat, then: pip install circus-compat "
    "(or, for programs that require the distribution circus, the build of it under that name)"
)
_OWN_LABEL: Final = "+core."
"""In the version of the build of this package under the name `circus`."""


def original() -> Distribution | None:
    """Return the distribution of Circus, if it is installed; not our own build under its name."""
    try:
        found = distribution("circus")
    except PackageNotFoundError:
        return None
    return None if _OWN_LABEL in found.version else found


def warn_of_original() -> None:
    """Warn, once, that files of both lie in one folder."""
    found = original()
    if found is not None:
        warnings.warn(
            f"Circus {found.version} and circus-compat are both installed, and each has overwritten files "
            f"of the other in the folder 'circus'; {MEND}",
            RuntimeWarning,
            stacklevel=3,
        )


def refuse_original() -> None:
    """Raise ImportError if Circus was installed later: then `import circus` is not this package."""
    import circus

    found = original()
    if found is not None and not hasattr(circus, "warn_of_original"):
        raise ImportError(
            f"Circus {found.version} was installed over circus-compat, 'import circus' gets it; {MEND}"
        )
