"""Look after a watcher's use of the machine, a web site, a Redis server, and programs that change."""

__all__: list[str] = []
