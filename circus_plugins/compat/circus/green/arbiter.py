"""`circus.green.arbiter`: the same class as the other flavour has."""

from circus.arbiter import Arbiter

__all__ = ["Arbiter"]
