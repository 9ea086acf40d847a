"""Convolution and pooling over arrays. Knows nothing of layers.

`base` declares the operations that layers call. `convolution` cuts each convolution into `blocks`
by its shape and multiplies them in one of two memory orders, `batch_last` or `channels_last`;
`pooling` runs along one axis after the other. `workers` shares large ones among threads.
"""
