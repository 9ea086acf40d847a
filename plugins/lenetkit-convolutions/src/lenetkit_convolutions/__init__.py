"""Convolutions beyond LeNet-5's for lenetkit.

Everything registers through entry points; importing this module does nothing.
"""

__version__ = "0.1.0"
