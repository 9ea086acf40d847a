"""Everything a plugin imports, in one place: `from lenetkit.authoring import Layer, option, …`.

The modules behind these names may move; this one stays. It is version 2 of the plugin API.
"""

from lenetkit.arrays import Array, Shape, shape_text
from lenetkit.data.augmentations import Crop, Cutout, Flip
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.source import DataSource, Place, Preparation, Samples, Split, checked_samples
from lenetkit.data.transforms import (
    Images,
    Labels,
    Normalize,
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
    BinaryCrossEntropy,
    Huber,
    Loss,
    MeanSquaredError,
    SecondOrderLoss,
    SoftmaxCrossEntropy,
    Targets,
    as_rows,
)
from lenetkit.operations.base import Operations, Padding, Pair, Scratch, Window, pair, sides
from lenetkit.operations.reach import Reach, all_places, each_place
from lenetkit.optimizers import (
    SGD,
    Adagrad,
    Adam,
    Lion,
    Optimizer,
    RMSprop,
    SecondOrderOptimizer,
)
from lenetkit.options import option
from lenetkit.schedules import (
    Cosine,
    CosineWarmRestarts,
    Moment,
    OneCycle,
    Piecewise,
    ReduceOnPlateau,
    Schedule,
    Step,
    Warmup,
)
from lenetkit.values import show

# fmt: off
__all__ = [
    "ELU", "GELU", "SGD", "Adagrad", "Adam", "Array", "AvgPool2d", "Batch", "BatchNorm2d",
    "BinaryCrossEntropy", "Call", "Composite", "Constant", "Conv2d", "Cosine", "CosineWarmRestarts",
    "Cost", "Crop", "Cutout", "DataError", "DataSource", "Dropout", "Elementwise", "Flatten",
    "Flip", "GlobalAvgPool2d", "GroupNorm", "HeNormal", "HeUniform", "Huber", "IdxFolder", "Images",
    "Initializer", "Kernels", "Labels", "Layer", "LayerNorm", "LeakyReLU", "LenetkitError",
    "Linear", "Lion", "Loss", "MaxPool2d", "MeanSquaredError", "MissingDataError", "Moment",
    "Normal", "Normalize", "NumpyKernels", "OneCycle", "OneHot", "Operations", "Optimizer",
    "OptionError", "Pad", "Padding", "Pair", "ParamSpec", "Params", "Piecewise", "Place",
    "PluginError", "Preparation", "RMSprop", "ReLU", "ReLUMaxPool2d", "Reach", "ReduceOnPlateau",
    "Samples", "Scale", "Schedule", "Scratch", "SecondOrderLayer", "SecondOrderLoss",
    "SecondOrderOptimizer", "Shape", "ShapeError", "SiLU", "Sigmoid", "Softmax",
    "SoftmaxCrossEntropy", "Softplus", "Split", "Standardize", "Step", "Tanh", "Targets",
    "Transform", "Uniform", "Upsample2d", "Warmup", "Window", "XavierNormal", "XavierUniform",
    "Zeros", "all_places", "as_rows", "checked_samples", "each_place", "expect_image", "option",
    "pair", "shape_text", "show", "sides",
]
# fmt: on
