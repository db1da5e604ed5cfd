"""What processes write: pipes, the sinks that take it, and the last of it in memory."""
