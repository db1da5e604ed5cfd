"""Programs and plugins of others, written for Circus 0.19, one script for each.

The interpreter of an environment that holds them runs a script in an empty folder, in namespaces of its own;
the script asserts what the program promises.
"""
