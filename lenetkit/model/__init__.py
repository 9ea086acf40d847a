"""A network with what it takes to use it, and its file: weights, spec and provenance in one."""
