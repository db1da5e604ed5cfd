"""The programs: each builds what it needs and runs it."""
