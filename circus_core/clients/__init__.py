"""The same wire from the other end: what asks the daemon and listens to it."""
