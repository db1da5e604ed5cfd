"""The tests of Circus, which were inside the package until 0.18."""
