"""Kernel sets: the operations, and layers fused where that is faster.

`base` is the contract, `numpy_kernels` the built-in set, `fused` its fused layers.
"""
