"""The import paths of Circus 0.19, served by circus-core."""
