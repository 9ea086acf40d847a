"""What PyTorch, Keras, JAX and the literature call what a spec names, and where else types are.

Each table leads from a name of ours to the names of others, which `plain` makes comparable. A name
of ours is suggested only where it is valid at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from lenetkit.errors import did_you_mean, nearest

T = TypeVar("T")

MAP_SIZE = "the map's size"
"""In a hint, stands for a height and width that only a plan knows."""

TYPES: dict[str, dict[str, str]] = {
    "layer": {
        "conv2d": "conv convolution convolution2d conv2dlayer",
        "max_pool2d": "maxpool maxpooling maxpooling2d pool pooling",
        "avg_pool2d": "avgpool averagepool averagepooling averagepooling2d avgpooling2d meanpool",
        "linear": "dense fc fullyconnected fullyconnectedlayer innerproduct lazylinear affine "
        "nnlinear",
        "batch_norm2d": "batchnorm batchnormalization batchnormalization2d bn lazybatchnorm2d",
        "leaky_relu": "lrelu",
        "global_avg_pool2d": "globalaveragepooling2d globalaveragepooling globalavgpool "
        "globalavgpooling2d adaptiveavgpool2d gap",
        "upsample2d": "upsampling2d upsample upsampling interpolate resize",
        "layer_norm": "layernormalization",
        "group_norm": "groupnormalization",
        "silu": "swish",
        "softmax": "softmax2d",
        "sigmoid": "logistic expit",
        "tanh": "hyperbolictangent",
        "relu": "rectifier rectifiedlinear rectifiedlinearunit relu6",
        "conv_transpose2d": "conv2dtranspose convtranspose deconv deconv2d deconvolution",
        "separable_conv2d": "separableconv separableconvolution2d",
        "subsample2d": "subsampling subsamplinglayer trainablepooling",
        "scaled_tanh": "lecuntanh",
    },
    "loss": {
        "softmax_cross_entropy": "crossentropy crossentropyloss categoricalcrossentropy ce celoss "
        "sparsecategoricalcrossentropy sparsecrossentropy nll nllloss negativeloglikelihood "
        "softmax softmaxloss logloss softmaxcrossentropywithlogits crossentropywithlogits logits "
        "softmaxcrossentropywithintegerlabels multiclasscrossentropy xent softmaxwithloss "
        "multinomiallogisticloss",
        "mean_squared_error": "mse mseloss l2 l2loss squarederror quadratic leastsquares euclidean "
        "euclideanloss",
        "binary_cross_entropy": "binarycrossentropy bce bceloss bcewithlogits bcewithlogitsloss "
        "sigmoidcrossentropy sigmoidbinarycrossentropy sigmoidcrossentropywithlogits",
        "huber": "huberloss smoothl1 smoothl1loss",
        "map_criterion": "map maximumaposteriori",
    },
    "optimizer": {
        "sgd": "gradientdescent stochasticgradientdescent momentum sgdm nesterov nag gd "
        "gradientdescentoptimizer momentumoptimizer sgdmomentum",
        "adam": "adamoptimizer",
        "sdlm": "levenbergmarquardt stochasticdiagonallevenbergmarquardt",
    },
    "schedule": {
        "constant": "constantlr none fixed constantschedule",
        "step": "steplr stepdecay steplrscheduler",
        "cosine": "cosineannealing cosineannealinglr cosinedecay cosinedecayschedule cosinelr",
        "cosine_warm_restarts": "cosineannealingwarmrestarts cosinedecayrestarts sgdr restarts "
        "cosinerestarts",
        "one_cycle": "onecyclelr 1cycle superconvergence cosineonecycleschedule fitonecycle",
        "warmup": "linearwarmup warmuplr warmupcosine warmupcosinedecayschedule warmupschedule",
        "reduce_on_plateau": "reducelronplateau plateau",
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
        "mnist": "mnistdigits digits mnist784",
        "synthetic_digits": "synthetic fake fakedata",
        "folder": "imagefolder imagedatasetfromdirectory directory imagedataloaders images "
        "pictures png jpg jpeg",
    },
    "transform": {
        "scale": "totensor rescale rescaling minmax minmaxscaler piltotensor toimage todtype "
        "convertimagedtype",
        "standardize": "normalization standardscaler zscore standardization",
        "pad": "zeropad zeropadding zeropadding2d zeropad2d padding",
        "one_hot": "tocategorical onehotencoder",
        "random_affine": "affine randomrotation rotate rotation randomtranslation randomzoom zoom "
        "translation translate shift shear randomshear",
        "elastic": "elastictransform elasticdistortion elasticdeformation",
        "flip": "randomhorizontalflip randomverticalflip randomflip horizontalflip verticalflip "
        "mirror",
        "crop": "randomcrop",
        "cutout": "randomerasing erase",
    },
    "kernel set": {"numpy": "cpu default blas mkl", "numba": "jit compiled"},
}
"""Kind → our type → what others call it."""

OPTIONS: dict[str, str] = {
    "out_channels": "filters numfilters nfilters channels features maps outchannel outputchannels "
    "outfeatures units numfilter nbfilter numoutput",
    "out_features": "units hiddenunits features numunits neurons outputs hiddensize outfeature "
    "outputdim outputsize outputfeatures numoutputs numclasses outchannels nout outdim outsize "
    "numoutput numhidden nunits nodes hidden filters",
    "kernel_size": "kernel poolsize windowshape filtersize kernelshape ksize window windowsize k "
    "ks size pool",
    "stride": "strides windowstrides subsample",
    "padding": "pad pads bordermode",
    "dilation": "dilationrate kerneldilation rate",
    "groups": "featuregroupcount",
    "bias": "usebias withbias biasterm",
    "weight_init": "kernelinitializer kernelinit init initializer weightinitializer weightfiller",
    "bias_init": "biasinitializer biasfiller",
    "in_channels": "inputchannels infeatures",
    "in_features": "inputfeatures inputdim inputsize indim insize nin inchannels",
    "scale_factor": "factor size",
    "weight": "classweight classweights",
    "p": "rate dropoutrate prob probability dropprob dropoutprob dropout droprate dropoutratio",
    "negative_slope": "alpha slope leak",
    "affine": "center scale",
    "eps": "epsilon",
    "betas": "beta beta1 beta2 b1 b2 momentum",
    "momentum": "mom mu",
    "alpha": "rho decay",
    "lr": "learningrate eta stepsize maxlr baselr peaklr initiallr initiallearningrate rate "
    "learningrateinit lrmax maxlearningrate peakvalue",
    "weight_decay": "l2 wd weightdecayrate regularization l2regularization l2penalty l2reg "
    "kernelregularizer decoupledweightdecay",
    "nesterov": "usenesterov",
    "epochs": "numepochs nepochs maxepochs epoch nbepoch numtrainepochs iterations e n maxiter",
    "batch_size": "batch bs minibatch minibatchsize trainbatchsize batches b",
    "seed": "randomseed randomstate rngseed rng s",
    "optimizer": "optim optimiser solver opt",
    "clip_norm": "clip globalclipnorm gradclip gradientclipping gradientclipval maxgradnorm "
    "clipgradnorm maxnorm clipgradient gradclipnorm",
    "patience": "earlystopping earlystop niternochange earlystoppingpatience",
    "average": "ema swa emadecay useema emamomentum polyak modelema averagedecay",
    "trainable": "requiresgrad learnable istrainable",
    "schedule": "scheduler lrscheduler lrschedule learningrateschedule lrdecay learningratedecay",
    "loss": "criterion objective lossfunction lossfn cost",
    "init": "initializer weightinit initialization kernelinitializer initializers",
    "layers": "model network architecture net modules sequential backbone",
    "train": "training trainer fit hyperparameters hparams",
    "data": "dataset datasets",
    "input": "inputshape inputsize imageshape imagesize shape inputdim",
    "kernels": "backend engine",
    "dir": "path root datadir folder directory datapath datasetdir",
    "validation": "valsplit validationsplit valsize validationsize validationfraction val holdout "
    "validpct validationdata validationshare valfraction",
    "test_share": "testsize testsplit testfraction",
    "limit": "numsamples maxsamples nsamples ntrain subset samples trainsize",
    "degrees": "angle maxangle rotation rotationrange",
    "translate": "shift translation widthshiftrange heightshiftrange",
    "shear": "shearrange",
    "transforms": "transform preprocessing augmentation augment preprocess augmentations",
    "step_size": "decaysteps every",
    "gamma": "decayrate decayfactor factor lrgamma",
    "min_lr": "etamin endlr minlearningrate alpha finallr",
    "pct_start": "warmup warmupratio warmupfraction warmupsteps warmupepochs",
    "div_factor": "div",
    "values": "rates lrs learningrates",
    "boundaries": "milestones",
    "std": "stddev sigma scale stdev",
    "scale": "zoom zoomrange",
    "mean": "loc mu",
    "low": "minval minimum min a",
    "high": "maxval maximum max b",
    "value": "val constant c fill",
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

_VAGUE = "a b c k n s alpha beta factor kernel limit max min rate scale shape size"
"""Options that mean something else in each type, so that they lead to no other place."""

_ACTIVATIONS = "an activation is a layer of its own: `relu1: relu`, or --set layers.relu1=tanh"
_NO_GPU = "lenetkit computes on the CPU; see --threads and --kernels"
_WORKERS = "data stays in memory, so there are no workers; --threads sets the number of threads"
_CALLBACKS = "there are no callbacks: the loop over the events is yours; see docs/training.md"
OPTION_NOTES: dict[str, str] = {
    _ACTIVATIONS: "activation act activations activationfunction",
    "dropout is a layer of its own, such as `drop1: {type: dropout, p: 0.5}`": (
        "dropout dropoutrate dropoutprob"
    ),
    "batch_norm2d is a layer of its own": "batchnorm batchnormalization bn usebatchnorm",
    "weight_decay shrinks the weights; train.schedule lowers the learning rate": "decay",
    _NO_GPU: "device gpu gpus cuda accelerator tpu mps nogpu usecuda",
    _WORKERS: "workers numworkers nworkers jobs njobs pinmemory j",
    _CALLBACKS: "callbacks callback",
    "p is the probability of dropping a value: 1 − keep_prob": "keepprob",
    "a schedule spans all of train.epochs; leave it out": "tmax totalsteps stepsperepoch lastepoch",
    "weights are float32": "dtype precision amp fp16 bf16 mixedprecision half",
    "loss and accuracy are always measured": "metrics metric",
    "single values are not clipped; train.clip_norm limits the norm": "clipvalue "
    "clipgradvalue gradclipvalue",
    "each batch is a step; use a larger batch_size": "accumulategradbatches gradaccum "
    "gradientaccumulation gradientaccumulationsteps",
    "arrays are channels first: (channels, height, width)": "dataformat dimordering",
    "the last layer's out_features is the number of classes": "numclasses nclasses numlabels",
    "the data set names the classes": "classnames classes labels",
    "it is an option of the loss softmax_cross_entropy: label_smoothing": "labelsmoothing",
    "it is an option of the loss softmax_cross_entropy: weight": "classweight classweights",
    "all samples have the same weight": "sampleweight",
    "comments begin with #": "description comment comments notes author",
    "weight_decay is the only penalty on weights": "l1 kernelconstraint biasregularizer",
    "MNIST is downloaded if it is missing": "download",
    "how images are scaled is one of data.transforms: scale, standardize or normalize": "normalize "
    "normalise normalization",
    "he_* suits relu, and xavier_* suits tanh and sigmoid": "nonlinearity fanmode",
    "a layer's name is its key, as in `conv1: {type: conv2d, …}`": "name layername",
    "a checkpoint is saved after each epoch": "checkpoint snapshot saveevery savefreq",
    "the test set is evaluated after each epoch; leave it out": "evaluateevery evalevery",
}
"""What to say of an option that is nothing of ours → its names."""

TYPE_NOTES: dict[str, dict[str, str]] = {
    "layer": {
        f"use max_pool2d with kernel_size = {MAP_SIZE}": "globalmaxpooling2d globalmaxpooling "
        "globalmaxpool globalmaxpool2d adaptivemaxpool2d",
        "the loss softmax_cross_entropy includes it: leave the layer out": "logsoftmax",
        "write the activation itself, such as relu": "activation",
        "write `input: [channels, height, width]` at the top of the spec": "input inputlayer",
        "use the padding of conv2d, or the transform pad": "zeropadding2d zeropad2d pad "
        "reflectionpad2d replicationpad2d constantpad2d",
        "use conv2d with groups = its input channels": "depthwiseconv2d depthwiseconv",
        "use dropout, which drops single values": "dropout1d dropout2d dropout3d alphadropout "
        "gaussiandropout spatialdropout2d spatialdropout",
        "use group_norm with num_groups = its channels": "instancenorm instancenorm2d "
        "instancenormalization",
        "the nearest is layer_norm": "rmsnorm rmsnormalization",
        "the nearest is batch_norm2d": "lrn localresponsenorm localresponsenormalization",
        "use batch_norm2d after a convolution; it takes images only": "batchnorm1d",
        "a linear layer flattens its input; else use flatten": "reshape view unflatten",
        "the nearest is relu or leaky_relu; docs/plugins.md adds another in a few lines": "prelu "
        "rrelu glu hardsigmoid hardtanh softsign softshrink hardshrink tanhshrink logsigmoid "
        "threshold maxout",
        "the nearest is elu": "selu celu",
        "the nearest is silu": "mish hardswish",
        "the nearest is max_pool2d or avg_pool2d": "lppool2d fractionalmaxpool2d stochasticpool "
        "stochasticpooling spatialpyramidpooling",
        "the nearest is linear": "bilinear",
        "leave it out: the output of a layer is the input of the next": "identity noop",
        "list the layers themselves, one below the other": "sequential",
        "layers form a chain; docs/plugins.md has a residual block": "add concatenate concat "
        "residual residualblock skip inception",
        "the transforms scale, standardize and normalize prepare images": "rescaling rescale "
        "normalization normalize",
        "layers are for images, not for sequences": "embedding lstm gru rnn simplernn attention "
        "multiheadattention transformer transformerencoder timedistributed bidirectional",
        "the nearest is upsample2d, or conv_transpose2d of lenetkit-convolutions": "pixelshuffle "
        "maxunpool2d",
    },
    "loss": {
        "use softmax_cross_entropy with one output per class": "hinge hingeloss multimarginloss "
        "focal focalloss kldivergence kldivloss hingeembeddingloss squaredhinge categoricalhinge "
        "dice diceloss",
        "use softmax_cross_entropy with label_smoothing": "labelsmoothing "
        "labelsmoothingcrossentropy",
        "accuracy is always measured; a loss is what training minimizes": "accuracy",
        "the nearest is huber, which is linear beyond its delta": "l1 l1loss mae "
        "meanabsoluteerror logcosh",
        "the nearest is mean_squared_error": "rmse rootmeansquarederror",
    },
    "optimizer": {
        "use adam: its weight_decay is decoupled, as AdamW's": "adamw adamweightdecay",
        "the nearest is adam": "adamax nadam radam amsgrad adadelta lamb adabelief ftrl "
        "adafactor sparseadam adam8bit yogi novograd ranger prodigy dadaptation muon sophia "
        "shampoo",
        "the nearest is sgd": "lbfgs rprop asgd lars lookahead noisysgd",
    },
    "schedule": {
        "use step with step_size: 1 and gamma": "exponential exponentiallr exponentialdecay exp",
        "the nearest is cosine": "polynomial polynomiallr polynomialdecay poly linear linearlr "
        "linearschedule inversetimedecay inv invscaling flatcos fitflatcos",
        "the nearest is one_cycle, which begins with a warm-up": "noam triangular",
        "the nearest is piecewise, or warmup with another schedule after it": "sequentiallr "
        "chainedscheduler joinschedules",
        "the nearest is piecewise": "lambdalr cycliclr multiplicativelr learningratescheduler",
    },
    "initializer": {
        "use {type: constant, value: 1}": "ones one",
        "the nearest is he_normal": "lecunnormal orthogonal deltaorthogonal lsuv identity eye "
        "dirac sparse",
    },
    "data set": {
        "write null": "none",
        "use {type: idx, dir: FOLDER} with its files": "fashionmnist emnist kmnist qmnist",
        "from Python, lenetkit.fit takes arrays; files are read by idx or folder": "csv npz npy "
        "numpy tensordataset dataloader hdf5 h5 mat parquet lmdb tfrecord arrow loaddigits",
        "other sets are read as IDX files (idx) or as a folder of pictures per class (folder)": (
            "cifar10 cifar100 svhn usps imagenet omniglot notmnist"
        ),
    },
    "transform": {
        "the nearest is random_affine, elastic or crop": "centercrop randomresizedcrop "
        "randomperspective",
        "the nearest is random_affine or elastic": "colorjitter autoaugment randaugment "
        "gaussianblur gaussiannoise contrast randomcontrast",
        "pictures become grey if `input` has one channel": "grayscale greyscale",
        "pictures of a folder are resized to `input`": "resize resizing",
        "transforms are a list, such as [scale, elastic]": "compose sequential",
        "the nearest is standardize": "pca zca whitening meansubtraction subtractmean",
        "a linear layer flattens its input": "flatten",
    },
    "kernel set": {_NO_GPU: "gpu cuda cudnn opencl torch jax xla tensorflow mps"},
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
    if known := _type_known(kind, found, valid):
        return known
    images = re.sub("[13]d$", "2d", plain(found))
    if images != plain(found) and (meant := type_meant(kind, images, valid)):
        return f"; images have two dimensions: use '{meant}'"
    tables = (TYPES.get(kind, {}), TYPE_NOTES.get(kind, {}))
    if found in tables[0]:  # ours, but not in this registry
        return did_you_mean(found, valid)
    theirs = {word for table in tables for text in table.values() for word in _long(text)}
    near = _misspelt(found, {plain(name) for name in valid}, theirs)
    return (near and _type_known(kind, near, valid)) or did_you_mean(found, valid)


def _type_known(kind: str, found: str, valid: Collection[str]) -> str:
    """The hint for a name that is in the tables; empty if it is not."""
    if meant := type_meant(kind, found, valid):
        return f"; did you mean '{meant}'?"
    return "".join(f"; {note}" for note in _called(TYPE_NOTES.get(kind, {}), found)[:1])


def _misspelt(found: str, ours: Iterable[str], theirs: Iterable[str] = ()) -> str | None:
    """The word that is meant; those of others must be nearer, because there are so many."""
    return nearest(plain(found), {*ours, *theirs}, 0.85) or nearest(plain(found), ours)


def _long(text: str) -> list[str]:
    """The words that a misspelt one can be told by."""
    return [word for word in text.split() if len(word) > 3]


def provider_of(kind: str, found: str) -> tuple[str, str] | None:
    """The distribution that has a type, and what it is called there; None if none is known."""
    called = {found, *_called(TYPES.get(kind, {}), found)}
    for distribution, kinds in DISTRIBUTIONS.items():
        for name in kinds.get(kind, "").split():
            if name in called or plain(name) == plain(found):
                return distribution, name
    return None


def option_meant(
    found: str, valid: Collection[str], elsewhere: Mapping[str, T] = MappingProxyType({})
) -> str | T | None:
    """The valid option, or the place of another, that is also called so; None if there is none."""
    names = [found, *_called(OPTIONS, found)]
    for name in names:
        if same := _same(name, valid):
            return same[0]
    for name in names if plain(found) not in _VAGUE.split() else ():
        if same := _same(name, elsewhere):
            return elsewhere[same[0]]
    return None


def option_near(found: str, valid: Iterable[str]) -> str | None:
    """The option whose name, or whose name elsewhere, is misspelt; None if there is none."""
    ours = {plain(name): name for name in valid}
    theirs = {word: n for n in ours.values() for word in _long(OPTIONS.get(n, ""))}
    near = _misspelt(found, ours, theirs)
    return (theirs | ours)[near] if near else None


def option_note(found: str) -> str:
    """What to say of an option that is nothing of ours; empty if nothing."""
    return next(iter(_called(OPTION_NOTES, found)), "")


def option_hint(found: str, valid: Collection[str], elsewhere: Mapping[str, object]) -> str:
    """What an unknown option may mean, to append to a message.

    `elsewhere` holds the places of options, as text in quotes.
    """
    if meant := option_meant(found, valid):
        return f"; did you mean '{meant}'?"
    if note := option_note(found):
        return f"; {note}"
    if place := option_meant(found, (), elsewhere):
        return f"; did you mean {place}?"
    if near := option_near(found, valid):
        return f"; did you mean '{near}'?"
    vague = len(found) < 4 or plain(found) in _VAGUE.split()
    if not vague and (near := nearest(found, elsewhere, 0.85)):
        return f"; did you mean {elsewhere[near]}?"
    return did_you_mean(found, valid)
