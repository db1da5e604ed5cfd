"""`circus.green.controller`: the same class as the other flavour has."""

from circus.controller import Controller

__all__ = ["Controller"]
