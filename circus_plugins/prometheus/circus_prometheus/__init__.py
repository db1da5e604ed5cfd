"""Shows watchers and processes to Prometheus."""

__all__: list[str] = []
