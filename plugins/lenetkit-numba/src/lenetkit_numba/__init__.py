"""A kernel set for lenetkit, compiled by Numba."""

__version__ = "0.1.0"
