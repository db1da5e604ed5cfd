"""`circus.green.consumer`: the same class as the other flavour has."""

from circus.consumer import CircusConsumer

__all__ = ["CircusConsumer"]
