"""Twenty mistakes in backward passes: the half that the diagnosis was tuned on."""

import numpy as np

from tests.support.mutants import right
from tests.support.mutants.mutation import mutation

FIRST_HALF = []
IMAGE = (3, 8, 7)
ROW = (12,)


@mutation(FIRST_HALF, right.Linear, (7,), r"first image.*sum")
def bias_of_one_image(self, params, x, dy, grads, call):
    """linear: the bias gradient is that of the first image, not summed over the batch."""
    dx = right.Linear.backward(self, params, x, dy, grads, call)
    grads["bias"][...] = dy[0]
    return dx


@mutation(FIRST_HALF, right.Linear, (7,), r"averaged over the batch")
def mean_weight(self, params, x, dy, grads, call):
    """linear: the weight gradient is divided by the batch size."""
    dx = right.Linear.backward(self, params, x, dy, grads, call)
    grads["weight"] /= len(x)
    return dx


@mutation(FIRST_HALF, right.Linear, (5,), r"transpos", units=5)
def weight_not_transposed(self, params, x, dy, grads, call):
    """linear, square: dx multiplies by the transposed weight."""
    right.Linear.backward(self, params, x, dy, grads, call)
    return dy @ params["weight"].T


@mutation(FIRST_HALF, right.Linear, (7,), r"added|\+=")
def added_weight(self, params, x, dy, grads, call):
    """linear: the weight gradient is added to what is there."""
    grads["weight"] += dy.T @ x
    grads["bias"][...] = dy.sum(axis=0)
    return dy @ params["weight"]


@mutation(FIRST_HALF, right.ConvLoops, IMAGE, r"one window|overlap")
def last_window_wins(self, params, xp, dy, grads, call):
    """conv2d by loops: dx of a window overwrites that of the window before."""
    right.ConvLoops.backward(self, params, xp, dy, grads, call)
    dxp = np.zeros_like(xp)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            part = np.einsum("no,ocuv->ncuv", dy[:, :, i, j], params["weight"])
            dxp[self.window(i, j)] = part
    return self.unpadded(dxp)


@mutation(FIRST_HALF, right.ConvIm2col, IMAGE, r"one window|overlap", stride=2)
def col2im_overwrites(self, params, saved, dy, grads, call):
    """conv2d by im2col: col2im writes `=` for `+=`."""
    right.ConvIm2col.backward(self, params, saved, dy, grads, call)
    dcol, dxp = np.einsum("noij,ocuv->ncuvij", dy, params["weight"]), np.zeros(saved[1])
    for u, v, here in self.taps(*dcol.shape[4:]):
        dxp[here] = dcol[:, :, u, v]
    return dxp


@mutation(FIRST_HALF, right.ConvIm2col, IMAGE, r"kernel.*flip|flip.*kernel")
def kernel_not_flipped(self, params, saved, dy, grads, call):
    """conv2d: dx convolves with the kernel turned by 180° once too often."""
    turned = {**params, "weight": params["weight"][:, :, ::-1, ::-1]}
    return right.ConvIm2col.backward(self, turned, saved, dy, grads, call)


@mutation(FIRST_HALF, right.ConvIm2col, IMAGE, r"sum.*(position|pixel|height|axes)")
def bias_of_one_pixel(self, params, saved, dy, grads, call):
    """conv2d: the bias gradient is summed over the batch at the first pixel only."""
    dx = right.ConvIm2col.backward(self, params, saved, dy, grads, call)
    grads["bias"][...] = dy[:, :, 0, 0].sum(axis=0)
    return dx


@mutation(FIRST_HALF, right.ConvLoops, IMAGE, r"shift|padding", padding=1)
def padding_cut_wrongly(self, params, xp, dy, grads, call):
    """conv2d: the padding is cut off at the end instead of on both sides."""
    dxp = np.zeros_like(xp)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            part = np.einsum("no,ocuv->ncuv", dy[:, :, i, j], params["weight"])
            dxp[self.window(i, j)] += part
    right.ConvLoops.backward(self, params, xp, dy, grads, call)
    return dxp[:, :, : xp.shape[2] - 2, : xp.shape[3] - 2]


@mutation(FIRST_HALF, right.MaxPool, IMAGE, r"one window|overlap")
def pool_overwrites(self, params, saved, dy, grads, call):
    """max pooling with overlap: a window's gradient overwrites the one before."""
    x, y = saved
    dx = np.zeros_like(x)
    for i, j, rows, columns in self.windows(*dy.shape[2:]):
        largest = x[:, :, rows, columns] == y[:, :, i, j][:, :, None, None]
        part = dx[:, :, rows, columns]
        part[largest] = (largest * dy[:, :, i, j][:, :, None, None])[largest]
    return dx


@mutation(FIRST_HALF, right.AvgPool, IMAGE, r"9 |window|kernel|size")
def average_not_divided(self, params, shape, dy, grads, call):
    """average pooling: the gradient is not divided by the window's size."""
    return right.AvgPool.backward(self, params, shape, dy * 9, grads, call)


@mutation(FIRST_HALF, right.ReLU, IMAGE, r"mask")
def relu_without_mask(self, params, x, dy, grads, call):
    """relu: dy is passed through everywhere."""
    return dy


@mutation(FIRST_HALF, right.ReLU, ROW, r"mask.*dy|dy.*mask")
def relu_masked_by_dy(self, params, x, dy, grads, call):
    """relu: the mask is that of dy > 0 instead of x > 0."""
    return dy * (dy > 0)


@mutation(FIRST_HALF, right.Sigmoid, ROW, r"1 ?[−-] ?y")
def sigmoid_half(self, params, y, dy, grads, call):
    """sigmoid: dy · y without the factor (1 − y)."""
    return dy * y


@mutation(
    FIRST_HALF, right.Tanh, IMAGE, r"derivative.*(at|of) the (input|x)|\bx\b.*instead of.*\by\b"
)
def tanh_from_input(self, params, saved, dy, grads, call):
    """tanh: 1 − x² for 1 − y²."""
    return dy * (1 - saved[0] ** 2)


@mutation(FIRST_HALF, right.BatchNorm, IMAGE, r"mean and (the )?variance|statistics")
def frozen_statistics(self, params, saved, dy, grads, call):
    """batch norm: mean and variance are taken for constants."""
    right.BatchNorm.backward(self, params, saved, dy, grads, call)
    return dy * self.by_channel(params["gamma"], dy) * saved[1]


@mutation(FIRST_HALF, right.LayerNorm, ROW, r"mean")
def forgot_mean(self, params, saved, dy, grads, call):
    """layer norm: the dependence on the mean is missing."""
    normal, inv = saved
    right.LayerNorm.backward(self, params, saved, dy, grads, call)
    d = dy * params["weight"]
    return inv * (d - normal * (d * normal).mean(axis=1, keepdims=True))


@mutation(FIRST_HALF, right.Dropout, ROW, r"1 / \(1 [−-] p\)|1 [−-] p")
def dropout_without_scale(self, params, saved, dy, grads, call):
    """dropout: backward lacks the factor 1 / (1 − p)."""
    return dy * (self.mask(dy, call) > 0) if call.training else dy


@mutation(FIRST_HALF, right.Residual, ROW, r"skip|residual|\+ dy|plus dy")
def forgotten_skip(self, params, saved, dy, grads, call):
    """residual: the gradient of the skip path is missing."""
    dx = right.Residual.backward(self, params, saved, dy, grads, call)
    return dx - dy


@mutation(FIRST_HALF, right.Softmax, ROW, r"sum|Jacobian|other outputs|row")
def softmax_diagonal(self, params, y, dy, grads, call):
    """softmax: only the diagonal of the Jacobian."""
    return dy * y * (1 - y)
