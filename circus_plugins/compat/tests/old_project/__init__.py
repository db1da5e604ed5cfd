"""A project that was written for Circus 0.19: the tests let circusd import it."""
