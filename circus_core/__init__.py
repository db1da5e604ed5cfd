"""The kernel: processes, watchers, the arbiter and the controller."""

__all__: list[str] = []
