"""What PyTorch, Keras, JAX and the literature call what a spec names, and where else types are.

Each table leads from a name of ours to the names of others, which `plain` makes comparable. A name
of ours is suggested only where it is valid at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from lenetkit.errors import did_you_mean

MAP_SIZE = "the map's size"
"""In a hint, stands for a height and width that only a plan knows."""

TYPES: dict[str, dict[str, str]] = {
    "layer": {
        "conv2d": "conv convolution convolution2d conv2dlayer",
        "max_pool2d": "maxpool maxpooling maxpooling2d pool pooling",
        "avg_pool2d": "avgpool averagepool averagepooling averagepooling2d avgpooling2d meanpool",
        "linear": "dense fc fullyconnected fullyconnectedlayer innerproduct lazylinear",
        "batch_norm2d": "batchnorm batchnormalization batchnormalization2d bn lazybatchnorm2d",
        "leaky_relu": "lrelu",
        "sigmoid": "logistic expit logsigmoid",
        "tanh": "hyperbolictangent",
        "relu": "rectifier rectifiedlinear rectifiedlinearunit relu6",
        "conv_transpose2d": "conv2dtranspose convtranspose deconv deconv2d deconvolution",
        "separable_conv2d": "separableconv separableconvolution2d",
    },
    "loss": {
        "softmax_cross_entropy": "crossentropy crossentropyloss categoricalcrossentropy ce celoss "
        "sparsecategoricalcrossentropy sparsecrossentropy nll nllloss negativeloglikelihood "
        "softmax softmaxloss logloss softmaxcrossentropywithlogits crossentropywithlogits logits "
        "softmaxcrossentropywithintegerlabels multiclasscrossentropy xent",
        "mean_squared_error": "mse mseloss l2 l2loss squarederror quadratic leastsquares euclidean",
    },
    "optimizer": {
        "sgd": "gradientdescent stochasticgradientdescent momentum sgdm nesterov nag",
    },
    "schedule": {
        "constant": "constantlr none fixed constantschedule",
        "step": "steplr stepdecay steplrscheduler",
        "cosine": "cosineannealing cosineannealinglr cosinedecay cosinedecayschedule cosinelr",
        "one_cycle": "onecyclelr 1cycle superconvergence cosineonecycleschedule warmupcosine "
        "warmupcosinedecayschedule",
        "piecewise": "multistep multisteplr piecewiseconstant piecewiseconstantdecay "
        "piecewiseconstantschedule",
    },
    "initializer": {
        "he_normal": "he kaiming kaimingnormal msra heinit kaiminginit variancescaling",
        "he_uniform": "kaiminguniform",
        "xavier_normal": "glorotnormal",
        "xavier_uniform": "glorot glorotuniform xavier",
        "normal": "gaussian randomnormal randn truncatednormal truncnormal",
        "uniform": "randomuniform rand",
        "zeros": "zero",
        "constant": "const fill",
        "lecun_uniform": "lecun",
    },
    "data set": {
        "mnist": "mnistdigits digits",
        "synthetic_digits": "synthetic fake fakedata",
        "folder": "imagefolder imagedatasetfromdirectory directory",
    },
    "transform": {
        "scale": "totensor rescale rescaling minmax minmaxscaler",
        "standardize": "normalize normalization standardscaler zscore standardization",
        "pad": "zeropad zeropadding zeropadding2d zeropad2d padding",
        "one_hot": "tocategorical onehotencoder",
        "random_affine": "affine randomrotation rotate rotation randomtranslation randomzoom",
        "elastic": "elastictransform elasticdistortion elasticdeformation",
    },
    "kernel set": {"numpy": "cpu default"},
}
"""Kind → our type → what others call it."""

OPTIONS: dict[str, str] = {
    "out_channels": "filters numfilters nfilters channels features maps outchannel outputchannels",
    "out_features": "units hiddenunits features numunits neurons outputs hiddensize outfeature "
    "outputdim outputsize outputfeatures numoutputs numclasses",
    "kernel_size": "kernel poolsize windowshape filtersize kernelshape ksize window windowsize k",
    "stride": "strides windowstrides subsample",
    "padding": "pad pads",
    "dilation": "dilationrate kerneldilation rate",
    "groups": "featuregroupcount",
    "bias": "usebias withbias",
    "weight_init": "kernelinitializer kernelinit init initializer weightinitializer",
    "bias_init": "biasinitializer",
    "in_channels": "inputchannels infeatures",
    "in_features": "inputfeatures inputdim inputsize",
    "p": "rate dropoutrate prob probability dropprob dropoutprob dropout",
    "negative_slope": "alpha slope leak",
    "affine": "center",
    "eps": "epsilon",
    "betas": "beta beta1 beta2 b1 b2 momentum",
    "alpha": "rho decay",
    "lr": "learningrate eta stepsize maxlr baselr peaklr initiallr initiallearningrate rate",
    "weight_decay": "l2 wd weightdecayrate regularization l2regularization l2penalty l2reg "
    "kernelregularizer decoupledweightdecay",
    "nesterov": "usenesterov",
    "epochs": "numepochs nepochs maxepochs epoch nbepoch numtrainepochs iterations e n",
    "batch_size": "batch bs minibatch minibatchsize trainbatchsize batches b",
    "seed": "randomseed randomstate rngseed rng s",
    "optimizer": "optim optimiser solver opt",
    "schedule": "scheduler lrscheduler lrschedule learningrateschedule lrdecay learningratedecay",
    "loss": "criterion objective lossfunction lossfn cost",
    "init": "initializer weightinit initialization kernelinitializer initializers",
    "layers": "model network architecture net modules sequential backbone",
    "train": "training trainer fit hyperparameters hparams",
    "data": "dataset datasets",
    "input": "inputshape inputsize imageshape imagesize shape inputdim",
    "kernels": "backend engine",
    "dir": "path root datadir folder directory datapath datasetdir",
    "validation": "valsplit validationsplit valsize validationsize validationfraction val holdout",
    "transforms": "transform preprocessing augmentation augment preprocess augmentations",
    "step_size": "decaysteps every",
    "gamma": "decayrate decayfactor factor lrgamma",
    "min_lr": "etamin endlr minlearningrate alpha",
    "pct_start": "warmup warmupratio warmupfraction warmupsteps",
    "boundaries": "milestones",
    "std": "stddev sigma scale stdev",
    "mean": "loc mu",
    "low": "minval minimum a",
    "high": "maxval maximum b",
    "value": "val constant",
    "extends": "base inherits parent from defaults",
    "lenetkit": "version formatversion format",
    "name": "title modelname",
    "out": "output outputdir logdir savedir rundir o",
    "resume": "continue resumefrom fromcheckpoint checkpoint",
    "init_from": "pretrained weights load loadweights finetune",
    "quiet": "silent q noprogress",
    "threads": "nthreads numthreads cores ncores",
    "json": "asjson",
    "data_dir": "data datapath root dir",
}
"""Our option, key or command-line option → what others call it."""

_ACTIVATIONS = "an activation is a layer of its own: `relu1: relu`, or --set layers.relu1=tanh"
_NO_GPU = "lenetkit computes on the CPU; --threads and --kernels say how"
_WORKERS = "no workers load data, which stay in memory; --threads sets the number of threads"
_NO_PATIENCE = "a run trains all its epochs; with data.validation, it keeps the best one's model"
OPTION_NOTES: dict[str, str] = {
    _ACTIVATIONS: "activation act activations nonlinearity activationfunction",
    "dropout is a layer of its own, such as `drop1: {type: dropout, p: 0.5}`": (
        "dropout dropoutrate dropoutprob"
    ),
    "batch_norm2d is a layer of its own": "batchnorm batchnormalization bn usebatchnorm",
    "weight_decay shrinks the weights; train.schedule lowers the learning rate": "decay",
    _NO_GPU: "device gpu gpus cuda accelerator tpu mps nogpu usecuda",
    _WORKERS: "workers numworkers nworkers jobs njobs pinmemory j",
    _NO_PATIENCE: "patience earlystopping earlystop callbacks",
    "p is the probability of dropping a value: 1 − keep_prob": "keepprob",
    "a schedule spans all of train.epochs; leave it out": "tmax totalsteps stepsperepoch",
    "weights are float32": "dtype precision amp fp16 bf16 mixedprecision half",
    "loss and accuracy are always measured": "metrics metric",
    "the test set is evaluated after each epoch; leave it out": "evaluateevery evalevery",
}
"""What to say of an option that is nothing of ours → its names."""

_GLOBAL = f"use {{pool}} with kernel_size = {MAP_SIZE}"
TYPE_NOTES: dict[str, dict[str, str]] = {
    "layer": {
        _GLOBAL.format(pool="avg_pool2d"): "globalaveragepooling2d globalaveragepooling "
        "globalavgpool globalavgpool2d globalavgpooling2d adaptiveavgpool2d gap",
        _GLOBAL.format(pool="max_pool2d"): "globalmaxpooling2d globalmaxpooling globalmaxpool "
        "globalmaxpool2d adaptivemaxpool2d",
        "the loss softmax_cross_entropy includes it: leave the layer out": "softmax logsoftmax",
        "write the activation itself, such as relu": "activation",
        "write `input: [channels, height, width]` at the top of the spec": "input inputlayer",
        "use the padding of conv2d, or the transform pad": "zeropadding2d zeropad2d pad",
        "use conv2d with groups = its input channels": "depthwiseconv2d depthwiseconv",
        "use dropout, which drops single values": "dropout2d spatialdropout2d spatialdropout",
        "use batch_norm2d, the normalization that there is": "layernorm layernormalization "
        "groupnorm groupnormalization instancenorm instancenorm2d",
        "a linear layer flattens its input; else use flatten": "reshape view unflatten",
        "the nearest is relu or leaky_relu; docs/plugins.md adds another in a few lines": "elu "
        "gelu selu silu swish mish prelu softplus hardswish hardtanh softsign maxout",
    },
    "loss": {
        "use softmax_cross_entropy with one output a class": "binarycrossentropy bce bceloss "
        "bcewithlogits bcewithlogitsloss hinge hingeloss multimarginloss focal focalloss "
        "kldivergence kldivloss",
        "the nearest is mean_squared_error": "l1 l1loss mae meanabsoluteerror huber huberloss "
        "smoothl1loss",
    },
    "optimizer": {
        "use adam: its weight_decay is decoupled, as AdamW's": "adamw adamweightdecay",
        "the nearest is adam": "adamax nadam radam amsgrad adagrad adadelta lamb adabelief",
        "the nearest is sgd": "lbfgs rprop asgd",
    },
    "schedule": {
        "use step with step_size: 1 and gamma": "exponential exponentiallr exponentialdecay",
        "the nearest is cosine": "cosineannealingwarmrestarts cosinedecayrestarts polynomial "
        "polynomiallr polynomialdecay linear linearlr linearschedule inversetimedecay",
        "the nearest is piecewise": "lambdalr cycliclr reducelronplateau plateau",
    },
    "initializer": {
        "use {type: constant, value: 1}": "ones one",
        "the nearest is he_normal": "lecunnormal orthogonal identity dirac",
    },
    "data set": {
        "use {type: idx, dir: FOLDER} with its files": "fashionmnist emnist kmnist qmnist",
        "use {type: idx, dir: FOLDER}": "folder imagefolder csv npz numpy tensordataset",
        "other image sets are read as IDX files: {type: idx, dir: FOLDER}": "cifar10 cifar100 "
        "svhn usps imagenet",
    },
    "transform": {
        "the nearest is random_affine or elastic": "randomcrop centercrop randomhorizontalflip "
        "randomflip randomerasing colorjitter autoaugment",
    },
    "kernel set": {_NO_GPU: "gpu cuda torch jax tensorflow mps"},
}
"""Kind → what to say of a type that is nothing of ours → its names."""

DISTRIBUTIONS: dict[str, dict[str, str]] = {
    "lenetkit-classic": {
        "layer": "subsample2d scaled_tanh partial_conv2d rbf",
        "loss": "map_criterion",
        "optimizer": "sdlm",
        "initializer": "lecun_uniform",
        "schedule": "lecun_1998",
        "kernel set": "numpy_single",
    },
    "lenetkit-convolutions": {
        "layer": "conv_transpose2d separable_conv2d dilated_pyramid2d",
        "optimizer": "lion rmsprop",
    },
    "lenetkit-numba": {"kernel set": "numba"},
}
"""Distribution → kind → the types that it provides."""


def plain(name: str) -> str:
    """A name without its module, underscores and capitals: `nn.Conv2D`, `conv_2d` → conv2d."""
    return re.sub(r"[\W_]", "", name.rpartition(".")[2].casefold())


def _called(table: Mapping[str, str], name: str) -> list[str]:
    """The entries of a table that others call so."""
    return [ours for ours, theirs in table.items() if plain(name) in theirs.split()]


def _same(name: str, valid: Iterable[str]) -> list[str]:
    """The valid names that differ from this one in spelling only."""
    return [each for each in sorted(valid) if plain(each) == plain(name) != ""]


def type_meant(kind: str, found: str, valid: Collection[str]) -> str | None:
    """The valid type that is also called so; None if there is none."""
    known = [name for name in _called(TYPES.get(kind, {}), found) if name in valid]
    return next(iter([*_same(found, valid), *known]), None)


def type_hint(kind: str, found: str, valid: Collection[str]) -> str:
    """What a type that is not registered may mean, to append to a message."""
    if meant := type_meant(kind, found, valid):
        return f"; did you mean '{meant}'?"
    notes = _called(TYPE_NOTES.get(kind, {}), found)
    return f"; {notes[0]}" if notes else did_you_mean(found, valid)


def provider_of(kind: str, found: str) -> tuple[str, str] | None:
    """The distribution that has a type, and what it is called there; None if none is known."""
    called = {found, *_called(TYPES.get(kind, {}), found)}
    for distribution, kinds in DISTRIBUTIONS.items():
        for name in kinds.get(kind, "").split():
            if name in called or plain(name) == plain(found):
                return distribution, name
    return None


def option_meant(
    found: str, valid: Collection[str], elsewhere: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """The valid option, or the path of another, that is also called so; None if there is none."""
    names = [found, *_called(OPTIONS, found)]
    for name in names:
        if same := _same(name, valid):
            return same[0]
    for name in names:
        if same := _same(name, elsewhere):
            return elsewhere[same[0]]
    return None


def option_note(found: str) -> str:
    """What to say of an option that is nothing of ours; empty if nothing."""
    return next(iter(_called(OPTION_NOTES, found)), "")


def option_hint(found: str, valid: Collection[str], elsewhere: Mapping[str, str]) -> str:
    """What an unknown option may mean, to append to a message."""
    if meant := option_meant(found, valid):
        return f"; did you mean '{meant}'?"
    if note := option_note(found):
        return f"; {note}"
    if meant := option_meant(found, valid, elsewhere):
        return f"; did you mean '{meant}'?"
    return did_you_mean(found, valid)
