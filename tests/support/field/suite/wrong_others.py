"""Optimizers, losses and kernel sets that are wrong, each by one mistake."""

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import (
    SGD,
    Conv2d,
    Layer,
    MeanSquaredError,
    NumpyKernels,
    Optimizer,
    ReLU,
    SecondOrderLoss,
    SoftmaxCrossEntropy,
    option,
)

C = dataclass(frozen=True, kw_only=True)
_LAST = {}


@C
class O01GlobalMomentum(SGD):
    """Momentum kept in the module from t = 1 on: lost if a run resumes in another process."""

    def step(self, params, grads, state, lr, t):
        v = grads.copy() if t == 1 else 0.9 * _LAST["v"] + grads
        _LAST["v"] = v
        params -= lr * v


@C
class O02PairsOnly(Optimizer):
    """Takes parameters two by two: an odd last one never moves."""

    lr: float = option(0.01, minimum=0, doc="Rate.")

    def step(self, params, grads, state, lr, t):
        n = len(params) // 2 * 2
        params[:n] -= lr * grads[:n]


@C
class C01SoftTargets(SoftmaxCrossEntropy):
    """Gradient p − t/Σ… of the largest target only: right for one-hot rows, wrong for soft ones."""

    def backward(self, saved):
        p, rows, w = saved
        hard = np.zeros_like(rows)
        hard[np.arange(len(rows)), rows.argmax(axis=1)] = 1
        return (p - hard) / max(len(rows), 1)


@C
class C02SecondWrong(MeanSquaredError, SecondOrderLoss):  # noqa: N818
    """second_backward with the wrong sign and factor."""

    def second_backward(self, saved):
        return -saved * 17


@C
class ReluForgotten(Layer):
    """Convolution and ReLU as one, whose backward forgets the ReLU."""

    conv: Conv2d = option(doc="The convolution.")

    def output_shape(self, s):
        return self.conv.output_shape(s)

    def param_specs(self, s):
        return self.conv.param_specs(s)

    def forward(self, p, x, call):
        y, s = self.conv.forward(p, x, call)
        return np.maximum(y, 0), s

    def backward(self, p, s, dy, g, call):
        return self.conv.backward(p, s, dy, g, call)


@C
class K01FusesWrongly(NumpyKernels):
    """fuse gives a layer whose gradient is wrong."""

    def fuse(self, layers):
        if len(layers) > 1 and type(layers[0]) is Conv2d and type(layers[1]) is ReLU:
            return 2, ReluForgotten(conv=layers[0])
        return None


@C
class K02ManyChannels(NumpyKernels):
    """Wrong from 5 channels a group on."""

    def conv2d(self, x, w, b, window, groups, scratch):
        if w.shape[1] > 4:
            w = w.copy()
            w[:, 4:] = 0
        return super().conv2d(x, w, b, window, groups, scratch)


PLUGINS = {
    k.lower(): v
    for k, v in list(globals().items())
    if len(k) > 3 and k[0] in "OCSTIK" and k[1:3].isdigit()
}
