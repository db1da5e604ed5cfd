"""Published helpers for the tests of packages built on circus-core."""
