"""What the tests of Circus had in common, which other programs' tests use."""

from circus._gone import refuse

refuse(__name__, "write tests with the fixtures of circus_core.testing, see docs/testing.md of circus-core")
