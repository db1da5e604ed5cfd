"""`circus.green.client`: the same class as the other flavour has."""

from circus.client import CircusClient

__all__ = ["CircusClient"]
