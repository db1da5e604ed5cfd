"""Output streams: where the output of a child goes."""

__all__: list[str] = []
