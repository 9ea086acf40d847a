"""Kernel sets: the operations, and layers fused where that is faster.

`base` is the contract, `numpy_kernels` the set that every installation has, `fused` the layers
that it runs as one.
"""
