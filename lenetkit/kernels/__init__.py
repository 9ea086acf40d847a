"""The operations worth swapping for faster ones, behind one protocol.

`base` holds the protocol, `numpy_kernels` the set that every installation has; it cuts each
convolution into blocks by its shape (`convolution`).
"""
