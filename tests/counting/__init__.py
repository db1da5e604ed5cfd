"""What is counted in place of timed: a machine may be slow or busy, a count stays what it is.

Each bound says what the figure was when it was set. Who makes something cheaper lowers the bound; who makes
it dearer says in the same commit what for.
"""
