"""Checks of a layer's randomness, of training against inference, and of stored weights."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.compare import expect_all_same, expect_same, fail
from lenetkit.conformance.other_options import variants
from lenetkit.conformance.passes import BATCH, KEY, NEAR, OTHER_KEYS, LayerCase
from lenetkit.conformance.report import CheckSkipped
from lenetkit.errors import ShapeError
from lenetkit.files import tensorfile
from lenetkit.layers.base import Layer

_AVERAGED, _AVERAGED_BATCH = 48, 24
"""Draws, and images, over which training is averaged."""


def same_key_gives_the_same_bits(case: LayerCase) -> None:
    """The same parameters, input and `rng_key` give the same results, bit for bit."""

    def results(seed: int) -> dict[str, Array]:
        call = case.call(dtype=np.float32, fill=0.0)  # what scratch holds is another check's
        return case.results(case.x(seed=seed, dtype=np.float32), call=call)

    first = results(0)
    results(9)  # a pass in between must not matter
    cause = "randomness that does not come from call.rng, such as np.random.normal(…)"
    expect_all_same(results(0), first, "the same pass again", cause=cause)


def another_key_gives_another_draw(case: LayerCase) -> None:
    """Where a layer draws, another `rng_key` gives another output in training."""
    _skip_unless_random(case)
    if not case.depends_on(OTHER_KEYS):
        raise fail(
            "eight other keys give the same output in training",
            "call.rng is asked for, but its draws do not reach the output",
        )


def every_word_of_the_key_counts(case: LayerCase) -> None:
    """Where a layer draws, each word of `rng_key` alone changes the draw, and so does their order.

    In a network the key is the seed, what it is for, the step and the layer's place.
    """
    _skip_unless_random(case)
    if not case.depends_on(OTHER_KEYS):
        raise CheckSkipped("no key changes the output")
    silent = []
    for place, word in enumerate(("seed", "purpose", "step", "layer")):
        keys = ((*KEY[:place], key, *KEY[place + 1 :]) for key in range(5, 13))
        if not case.depends_on(keys):
            silent.append(word)
    if silent:
        raise fail(
            f"keys that differ in the {' or the '.join(silent)} alone give the same output",
            "the draw depends on a part of call.rng_key; draw from call.rng, or with call.draw",
        )
    if not case.depends_on(itertools.permutations(KEY)):
        raise fail("the order of the words of rng_key does not matter", "draw from call.rng")


def training_averages_to_inference(case: LayerCase) -> None:
    """Where values are dropped in training, the rest makes up for it: on average nothing changes.

    Other noise can be meant as it is, and is not judged.
    """
    _skip_unless_random(case)
    _expect_no_factor(case, "")
    for variant in variants(case.thing, case.thing.inferred(case.in_shape), each=3):
        with suppress(ShapeError):
            _expect_no_factor(LayerCase(variant.thing, case.in_shape), f"with {variant}: ")


def _expect_no_factor(case: LayerCase, circumstance: str) -> None:
    x = case.x(_AVERAGED_BATCH)
    plain = case.output(x, training=False)
    drawn = np.array([case.output(x, key=(*KEY[:2], step, 2)) for step in range(_AVERAGED)])
    energy = float((plain * plain).sum())
    dropped = (drawn == 0) & (plain != 0)
    if drawn.shape[1:] != plain.shape or dropped.mean() < 0.01:
        return
    factors = (drawn * plain).reshape(_AVERAGED, -1).sum(axis=1) / energy
    factor, error = float(factors.mean()), float(factors.std()) / math.sqrt(_AVERAGED)
    rest = float(((drawn.mean(axis=0) - factor * plain) ** 2).sum())
    is_a_factor = rest <= 4 * float(drawn.var(axis=0).sum()) / _AVERAGED + 1e-6 * energy
    if is_a_factor and abs(factor - 1) > max(0.05, 6 * error):
        raise fail(
            f"{circumstance}in training the output is on average {factor:.2g} times that of "
            "inference",
            "what is dropped is not made up for: divide what is kept by the share that is kept",
        )


def draws_in_one_pass_differ(case: LayerCase) -> None:
    """No two random arrays of a pass are the same numbers."""
    drawn = [v for v in case.draws() if v.dtype.kind == "f" and v.size > 3 and np.ptp(v)]
    if not drawn:
        raise CheckSkipped("the layer draws nothing from call.rng")
    for i, one in enumerate(drawn):
        for other in drawn[i + 1 :]:
            if np.array_equal(one.reshape(-1)[: other.size], other.reshape(-1)[: one.size]):
                raise fail(
                    "two draws of one pass are the same numbers",
                    "the generator is copied or seeded again; draw both from call.rng",
                )


def a_pass_repeats_its_draws(case: LayerCase) -> None:
    """With one call, every pass of the same key draws the same; so does backward, if it draws."""
    _skip_unless_random(case)
    call, x = case.call(dtype=np.float32), case.x(dtype=np.float32)
    first = case.results(x, call=call)
    call.state = case.state(np.float32)
    cause = "a generator is kept from pass to pass; use call.rng in each"
    expect_all_same(case.results(x, call=call), first, "the next pass", cause=cause)


def global_randomness_is_left_alone(case: LayerCase) -> None:
    """No draw comes from, and no seed goes to, NumPy's global generator."""
    before = repr(np.random.get_state())  # noqa: NPY002
    case.results(case.x())
    if repr(np.random.get_state()) != before:  # noqa: NPY002
        raise fail("NumPy's global generator moved during a pass", "draw from call.rng instead")


def inference_is_not_random(case: LayerCase) -> None:
    """In inference mode the output does not depend on `rng_key`."""
    x = case.x()
    first = case.output(x, training=False, key=KEY)
    other = case.output(x, training=False, key=OTHER_KEYS[0])
    cause = "randomness belongs under `if call.training`"
    expect_same(other, first, "y in inference with another key", cause=cause)


def modes_agree_without_randomness_and_state(case: LayerCase) -> None:
    """A layer that neither draws nor holds untrained state computes the same in both modes."""
    if case.is_random:
        raise CheckSkipped("the layer draws from call.rng in training")
    if case.state_specs:
        raise CheckSkipped("the layer has untrained state, which training may treat differently")
    x = case.x()
    found, expected = case.output(x, training=False), case.output(x, training=True)
    cause = "something depends on call.training that is neither random nor kept in a parameter"
    expect_same(found, expected, "y in inference", tolerance=NEAR, cause=cause)


def images_do_not_depend_on_their_batch(case: LayerCase) -> None:
    """In inference mode each image's output and gradient are those it has alone."""
    x = case.x()
    together = case.output(x, training=False)
    dy = case.dy(together.shape)
    all_dx = case.results(x, dy=dy, call=case.call(training=False)).get("dx")
    for i in range(BATCH):
        call = case.call(training=False)
        alone = case.results(x[i : i + 1], dy=dy[i : i + 1], call=call)
        cause = "an axis is wrong, or a mean runs over the batch; in inference use kept state"
        what = f"y of image {i} of {BATCH}, alone"
        expect_same(alone["y"][0], together[i], what, tolerance=NEAR, cause=cause)
        if all_dx is not None and "dx" in alone:
            what = f"dx of image {i} of {BATCH}, alone"
            expect_same(alone["dx"][0], all_dx[i], what, tolerance=NEAR, cause=cause)


def weights_round_trip(case: LayerCase) -> None:
    """Parameters and untrained state, written to a model file and read back, give the same bits."""
    if not case.specs and not case.state_specs:
        raise CheckSkipped("the layer has neither parameters nor state")
    params, call = case.params(np.float32), case.call(dtype=np.float32)
    case.forward(params, case.x(dtype=np.float32), call)  # changes the state, if any
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        tensorfile.write(path, {**params, **call.state}, {})
        back, _ = tensorfile.read(path)
    x = case.x(dtype=np.float32, seed=4)
    expected = case.output(x, training=False, params=params, state=call.state)
    found = case.output(x, training=False, params=back, state=back)
    cause = "part of what was learned is kept outside parameters and state"
    expect_same(found, expected, "y with weights read back", cause=cause)


def copies_compute_the_same(case: LayerCase) -> None:
    """A copy of a used layer, deep or pickled, gives the same results bit for bit."""
    x = case.x()
    expected = case.results(x)
    for way, twin in _copies(case.planned).items():
        found = LayerCase(twin, case.in_shape).results(x)
        cause = "what the layer computes depends on more than its options"
        expect_all_same(found, expected, f"a {way} copy", cause=cause)


def _skip_unless_random(case: LayerCase) -> None:
    if not case.is_random:
        raise CheckSkipped("the layer draws nothing")


def _copies(layer: Layer) -> dict[str, Layer]:
    copies = {"deep": copy.deepcopy(layer)}
    with suppress(Exception):  # pickle_is_equal reports that
        copies["pickled"] = pickle.loads(pickle.dumps(layer))
    return copies
