"""Twenty mistakes in backward passes: the half that the diagnosis was not tuned on."""

import numpy as np

from tests.support.mutants import right
from tests.support.mutants.mutation import mutation

SECOND_HALF = []
IMAGE = (3, 8, 7)
ROW = (12,)


@mutation(SECOND_HALF, right.ScaleShift, IMAGE, r"first image.*sum")
def shift_of_one_image(self, params, x, dy, grads, call):
    """scale-shift: beta's gradient is that of the first image."""
    dx = right.ScaleShift.backward(self, params, x, dy, grads, call)
    grads["beta"][...] = dy.sum(axis=(2, 3))[0]
    return dx


@mutation(SECOND_HALF, right.ScaleShift, IMAGE, r"gamma")
def scale_forgotten(self, params, x, dy, grads, call):
    """scale-shift: dx lacks the factor gamma."""
    right.ScaleShift.backward(self, params, x, dy, grads, call)
    return dy


@mutation(SECOND_HALF, right.ScaleShift, ROW, r"swap|gradient of (gamma|beta)")
def gradients_swapped(self, params, x, dy, grads, call):
    """scale-shift: the gradients of gamma and beta are swapped."""
    grads["beta"][...] = (dy * x).sum(axis=0)
    grads["gamma"][...] = dy.sum(axis=0)
    return dy * params["gamma"]


@mutation(SECOND_HALF, right.Linear, (7,), r"(all|every).*(sum|axes|same)|sum.*(all|every)")
def bias_summed_too_far(self, params, x, dy, grads, call):
    """linear: the bias gradient is one sum over batch and units."""
    dx = right.Linear.backward(self, params, x, dy, grads, call)
    grads["bias"][...] = dy.sum()
    return dx


@mutation(SECOND_HALF, right.Linear, (7,), r"sign")
def bias_subtracted(self, params, x, dy, grads, call):
    """linear: the sign of the bias gradient."""
    dx = right.Linear.backward(self, params, x, dy, grads, call)
    grads["bias"][...] = -dy.sum(axis=0)
    return dx


@mutation(SECOND_HALF, right.ConvLoops, IMAGE, r"dilation", dilation=2)
def dilation_ignored(self, params, xp, dy, grads, call):
    """conv2d: dx is scattered without the dilation."""
    right.ConvLoops.backward(self, params, xp, dy, grads, call)
    dxp = np.zeros_like(xp)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            part = np.einsum("no,ocuv->ncuv", dy[:, :, i, j], params["weight"])
            dxp[:, :, i : i + 3, j : j + 3] += part
    return dxp


@mutation(SECOND_HALF, right.ConvLoops, IMAGE, r"stride", stride=2)
def stride_ignored(self, params, xp, dy, grads, call):
    """conv2d: the weight gradient reads windows without the stride."""
    dx = right.ConvLoops.backward(self, params, xp, dy, grads, call)
    dw = np.zeros_like(params["weight"])
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            dw += np.einsum("no,ncuv->ocuv", dy[:, :, i, j], xp[:, :, i : i + 3, j : j + 3])
    grads["weight"][...] = dw
    return dx


@mutation(SECOND_HALF, right.ConvIm2col, IMAGE, r"flip")
def weight_gradient_flipped(self, params, saved, dy, grads, call):
    """conv2d: the weight gradient is turned by 180°."""
    dx = right.ConvIm2col.backward(self, params, saved, dy, grads, call)
    grads["weight"][...] = grads["weight"][:, :, ::-1, ::-1].copy()
    return dx


@mutation(SECOND_HALF, right.ConvIm2col, (3, 6, 5), r"transpos|axes|channels", filters=3)
def channels_mixed_up(self, params, saved, dy, grads, call):
    """conv2d, as many maps in as out: dx uses the weight with its channel axes swapped."""
    swapped = {**params, "weight": params["weight"].transpose(1, 0, 2, 3)}
    return right.ConvIm2col.backward(self, swapped, saved, dy, grads, call)


@mutation(SECOND_HALF, right.ConvIm2col, IMAGE, r"mean|divided|averag|1/|positions")
def averaged_over_pixels(self, params, saved, dy, grads, call):
    """conv2d: the bias gradient is a mean over the pixels."""
    dx = right.ConvIm2col.backward(self, params, saved, dy, grads, call)
    grads["bias"][...] = dy.mean(axis=(2, 3)).sum(axis=0)
    return dx


@mutation(SECOND_HALF, right.Depthwise, IMAGE, r"first image|one image|image 0")
def depthwise_of_one_image(self, params, x, dy, grads, call):
    """depthwise convolution: the weight gradient of the first image."""
    dx = right.Depthwise.backward(self, params, x, dy, grads, call)
    right.Depthwise.backward(self, params, x[:1], dy[:1], grads, call)
    return dx


@mutation(SECOND_HALF, right.AvgPool, IMAGE, r"one window|overlap")
def average_overwrites(self, params, shape, dy, grads, call):
    """average pooling with overlap: `=` for `+=`."""
    dx = np.zeros(shape, dy.dtype)
    for i, j, rows, columns in self.windows(*dy.shape[2:]):
        dx[:, :, rows, columns] = dy[:, :, i, j][:, :, None, None] / 9
    return dx


@mutation(SECOND_HALF, right.LeakyReLU, ROW, r"mask|slope|x ?[≤<]|derivative.*0")
def leaky_dies(self, params, x, dy, grads, call):
    """leaky relu: backward is relu's."""
    return dy * (x > 0)


@mutation(SECOND_HALF, right.ELU, ROW, r"alpha")
def elu_without_alpha(self, params, saved, dy, grads, call):
    """elu: the derivative below 0 lacks alpha."""
    x, _ = saved
    return np.where(x > 0, dy, dy * np.exp(np.minimum(x, 0)))


@mutation(SECOND_HALF, right.Softplus, ROW, r"derivative.*output|y.*instead of x")
def softplus_from_output(self, params, saved, dy, grads, call):
    """softplus: the sigmoid of y for that of x."""
    return dy / (1 + np.exp(-saved[1]))


@mutation(SECOND_HALF, right.PReLU, IMAGE, r"images? |batch")
def right_for_some_images(self, params, x, dy, grads, call):
    """prelu: dx is 0 from the second image on."""
    dx = right.PReLU.backward(self, params, x, dy, grads, call)
    dx[1:] = 0
    return dx


@mutation(SECOND_HALF, right.BatchNorm, IMAGE, r"variance")
def forgot_variance(self, params, saved, dy, grads, call):
    """batch norm: the dependence on the variance is missing."""
    normal, inv = saved
    right.BatchNorm.backward(self, params, saved, dy, grads, call)
    d = dy * self.by_channel(params["gamma"], dy)
    return inv * (d - d.mean(axis=(0, 2, 3), keepdims=True))


@mutation(SECOND_HALF, right.ChannelsLast, IMAGE, r"reshape|transpos|axes|order")
def reshaped_back(self, params, shape, dy, grads, call):
    """channels last: reshape for transpose."""
    return dy.reshape(shape)


@mutation(SECOND_HALF, right.Upsample, IMAGE, r"window|copies|sum|one of")
def upsample_takes_one(self, params, saved, dy, grads, call):
    """upsampling: the gradient of one of the four copies."""
    return dy[:, :, ::2, ::2].copy()


@mutation(SECOND_HALF, right.GlobalAverage, IMAGE, r"divid|1/|times|factor|positions|mean")
def average_of_nothing(self, params, shape, dy, grads, call):
    """global average: not divided by the number of pixels."""
    dx = np.empty(shape, dy.dtype)
    dx[...] = dy[:, :, None, None]
    return dx
