"""The web dashboard and the HTTP API of circus-core.

It is a program, not a library: `circushttpd`. What is promised are its options, its HTTP API (`openapi.yaml`)
and the messages of its websocket (docs/httpd.md).
"""

__all__: list[str] = []
