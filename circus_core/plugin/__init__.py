"""Plugin classes: what they derive from, how one is found, and where it runs: in a process, in a thread."""
