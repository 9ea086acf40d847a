"""A trained network and its file: weights, spec and provenance in one."""
