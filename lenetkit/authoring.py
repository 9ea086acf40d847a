"""Everything a plugin imports, in one place: `from lenetkit.authoring import Layer, option, …`.

The modules behind these names may move; this one stays. It is version 2 of the plugin API.
"""

from lenetkit.arrays import Array, Shape, shape_text
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.source import DataSource, Place, Preparation, Samples, Split, checked_samples
from lenetkit.data.transforms import (
    Images,
    Labels,
    OneHot,
    Pad,
    Scale,
    Standardize,
    Transform,
)
from lenetkit.errors import (
    DataError,
    LenetkitError,
    MissingDataError,
    OptionError,
    PluginError,
    ShapeError,
)
from lenetkit.initializers import (
    Constant,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)
from lenetkit.kernels.base import Kernels
from lenetkit.kernels.fused import ReLUMaxPool2d
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import ELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from lenetkit.layers.base import (
    Cost,
    Elementwise,
    Layer,
    Params,
    ParamSpec,
    SecondOrderLayer,
    expect_image,
)
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Batch, Call
from lenetkit.layers.composite import Composite
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.gelu import GELU
from lenetkit.layers.linear import Linear
from lenetkit.layers.normalization import GroupNorm, LayerNorm
from lenetkit.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from lenetkit.layers.softmax import Softmax
from lenetkit.layers.upsample2d import Upsample2d
from lenetkit.losses import (
    Loss,
    MeanSquaredError,
    SecondOrderLoss,
    SoftmaxCrossEntropy,
    Targets,
    as_rows,
)
from lenetkit.operations.base import Operations, Pair, Scratch, Window, pair
from lenetkit.optimizers import SGD, Adam, Optimizer, SecondOrderOptimizer
from lenetkit.options import option
from lenetkit.schedules import Cosine, Moment, OneCycle, Piecewise, Schedule, Step
from lenetkit.values import show

# fmt: off
__all__ = [
    "ELU", "GELU", "SGD", "Adam", "Array", "AvgPool2d", "Batch", "BatchNorm2d", "Call", "Composite",
    "Constant", "Conv2d", "Cosine", "Cost", "DataError", "DataSource", "Dropout", "Elementwise",
    "Flatten", "GlobalAvgPool2d", "GroupNorm", "HeNormal", "HeUniform", "IdxFolder", "Images",
    "Initializer", "Kernels", "Labels", "Layer", "LayerNorm", "LeakyReLU", "LenetkitError",
    "Linear", "Loss", "MaxPool2d", "MeanSquaredError", "MissingDataError", "Moment", "Normal",
    "NumpyKernels", "OneCycle", "OneHot", "Operations", "Optimizer", "OptionError", "Pad", "Pair",
    "ParamSpec", "Params", "Piecewise", "Place", "PluginError", "Preparation", "ReLU",
    "ReLUMaxPool2d", "Samples", "Scale", "Schedule", "Scratch", "SecondOrderLayer",
    "SecondOrderLoss", "SecondOrderOptimizer", "Shape", "ShapeError", "SiLU", "Sigmoid", "Softmax",
    "SoftmaxCrossEntropy", "Softplus", "Split", "Standardize", "Step", "Tanh", "Targets",
    "Transform", "Uniform", "Upsample2d", "Window", "XavierNormal", "XavierUniform", "Zeros",
    "as_rows", "checked_samples", "expect_image", "option", "pair", "shape_text", "show",
]
# fmt: on
