"""LeNet-5 as published in 1998, for lenetkit.

LeCun, Bottou, Bengio & Haffner, *Gradient-based learning applied to document recognition*,
Proc. IEEE 86(11), 1998: "the paper" throughout this package. Everything registers through entry
points; importing this module does nothing.
"""

__version__ = "0.1.0"
