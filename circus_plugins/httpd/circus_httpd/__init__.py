"""The web dashboard and the HTTP API of circus-core."""
