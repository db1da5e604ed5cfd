"""`circus.green.sighandler`: the same class as the other flavour has."""

from circus.sighandler import SysHandler

__all__ = ["SysHandler"]
