"""Weights that other programs saved give the same network, or are refused in words."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

import lenetkit
from lenetkit.errors import LenetkitWarning, ModelFileError
from lenetkit.model import file

Arrays = dict[str, NDArray[Any]]
SPEC = {
    "lenetkit": 1,
    "name": "small",
    "input": [2, 9, 8],
    "layers": {
        "conv1": {"type": "conv2d", "out_channels": 3, "kernel_size": [2, 3]},
        "norm1": "batch_norm2d",
        "relu1": "relu",
        "pool1": {"type": "max_pool2d", "kernel_size": 2},
        "flat": "flatten",
        "drop": {"type": "dropout", "p": 0.5},
        "fc1": {"type": "linear", "out_features": 7},
        "relu2": "relu",
        "fc2": {"type": "linear", "out_features": 4},
    },
    "loss": "softmax_cross_entropy",
}
SQUARE = {
    **SPEC,
    "input": [1, 2, 2],
    "layers": {name: {"type": "linear", "out_features": 4} for name in "ab"},
}
KERAS = {
    "conv1.weight": "conv2d/kernel",
    "conv1.bias": "conv2d/bias",
    "norm1.weight": "batch_normalization/gamma",
    "norm1.bias": "batch_normalization/beta",
    "norm1.running_mean": "batch_normalization/moving_mean",
    "norm1.running_var": "batch_normalization/moving_variance",
    "fc1.weight": "dense/kernel",
    "fc1.bias": "dense/bias",
    "fc2.weight": "dense_1/kernel",
    "fc2.bias": "dense_1/bias",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights"


def network() -> lenetkit.Model:
    """The small network with weights of its own."""
    model = lenetkit.build(SPEC)
    rng = np.random.default_rng(0)
    for values in model.tensors().values():
        values[...] = rng.uniform(0.1, 1, values.shape)
    return model


def own() -> Arrays:
    return {name: values.copy() for name, values in network().tensors().items()}


def keras() -> Arrays:
    """The same weights as Keras has them."""
    given = {}
    for name, values in own().items():
        if name == "conv1.weight":
            values = values.transpose(2, 3, 1, 0)
        elif name == "fc1.weight":
            values = values.reshape(7, 3, 4, 3).transpose(2, 3, 1, 0).reshape(36, 7)
        elif name == "fc2.weight":
            values = values.T
        given[KERAS[name]] = values
    return given


def in_keras(weights: Arrays, x: NDArray[Any]) -> NDArray[Any]:
    """The logits of images (H, W, C), computed channels last and in float64."""
    kernel, bias = weights["conv2d/kernel"], weights["conv2d/bias"]
    kh, kw, _, out = kernel.shape
    height, width = x.shape[0] - kh + 1, x.shape[1] - kw + 1
    y = np.empty((height, width, out))
    for i in range(height):
        for j in range(width):
            y[i, j] = np.tensordot(x[i : i + kh, j : j + kw], kernel, 3) + bias
    gamma, beta, mean, var = (
        weights[f"batch_normalization/{name}"]
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    y = np.maximum((y - mean) / np.sqrt(var + 1e-5) * gamma + beta, 0)
    y = y[: height // 2 * 2, : width // 2 * 2]
    y = y.reshape(height // 2, 2, width // 2, 2, out).max(axis=(1, 3)).reshape(-1)
    y = np.maximum(y @ weights["dense/kernel"] + weights["dense/bias"], 0)
    return y @ weights["dense_1/kernel"] + weights["dense_1/bias"]


def logits(model: lenetkit.Model, x: NDArray[Any]) -> NDArray[Any]:
    return model.forward(x, model.workspace(training=False))


@pytest.mark.parametrize("form", ["names", "prefix", "position"])
def test_keras_weights_give_keras_logits(path: Path, form: str) -> None:
    weights = keras()
    named = {f"sequential/{name}:0": values for name, values in weights.items()}
    with path.open("wb") as stream:
        if form == "position":
            np.savez(stream, *weights.values())
        else:
            np.savez_compressed(stream, **(named if form == "prefix" else weights))  # type: ignore[arg-type]
    with pytest.warns(LenetkitWarning) as caught:
        model = lenetkit.load(path, spec=SPEC)
    said = str(caught[0].message)
    assert "transposed, its inputs from 4×3×3 (height, width, channels) to 3×4×3" in said
    assert "norm1.eps is 1e-05 here, in Keras 0.001 unless set" in said
    x = np.random.default_rng(1).random((5, 9, 8, 2), dtype=np.float32)
    expected = np.stack([in_keras(weights, image) for image in x])
    np.testing.assert_allclose(logits(model, x.transpose(0, 3, 1, 2)), expected, rtol=1e-4)


@pytest.mark.parametrize("prefix", ["", "module.", "model._orig_mod.", "net.0."])
def test_names_are_found_behind_what_all_share(path: Path, prefix: str) -> None:
    given = {f"{prefix}{name}": values for name, values in own().items()}
    given[f"{prefix}norm1.num_batches_tracked"] = np.array(3)
    safetensors.numpy.save_file(given, path, {"format": "pt"})
    if prefix:
        with pytest.warns(LenetkitWarning, match=f"fc1.weight from {prefix}fc1.weight"):
            model = lenetkit.load(path, spec=SPEC)
    else:
        model = lenetkit.load(path, spec=SPEC)  # without a word
    assert np.array_equal(model.params, network().params)
    images = np.zeros((2, 2, 9, 8), np.uint8)
    model.save(path.with_name("model.safetensors"))
    again = lenetkit.load(path.with_name("model.safetensors"))
    assert np.array_equal(again.predict(images), model.predict(images))


def refused(path: Path, given: Arrays, spec: Any = SPEC) -> str:
    safetensors.numpy.save_file({n: np.ascontiguousarray(v) for n, v in given.items()}, path)
    with pytest.raises(ModelFileError) as caught:
        lenetkit.load(path, spec=spec)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("fc1.weight", np.ones((36, 7)), "expected 7×36, found 36×7; transposed, as Keras stores"),
        ("fc1.weight", np.ones((7, 3, 4, 3)), "found 7×3×4×3; reshaped to 7×36, it would fit"),
        (
            "fc1.weight",
            np.ones((7, 35)),
            "expected 7×36, found 7×35; made for 35 inputs, but 3×4×3 reaches fc1",
        ),
        ("fc2.weight", np.ones((9, 7)), "9×7; it would fit with layers.fc2.out_features=9"),
        ("conv1.weight", np.ones((3, 2, 5, 5)), "; it would fit with layers.conv1.kernel_size=5"),
        (
            "conv1.weight",
            np.ones((4, 1, 3, 1)),
            "; made for 1 input channel, but 2×9×8 reaches conv1; it would fit with "
            "layers.conv1.out_channels=4 and layers.conv1.kernel_size=[3, 1]",
        ),
        ("fc1.weight", np.ones((7, 36), np.int8), "fc1.weight: expected float32, found int8"),
        ("fc1.weight", np.full((7, 36), np.inf), "fc1.weight: has non-finite values"),
        (
            "fc1.weight",
            np.full((7, 36), -1e300),
            "fc1.weight: has values too large for float32, up to 1e+300",
        ),
        ("fc1/kernel", np.ones((36, 7)), "are both fc1.weight; expected one"),
        ("head.weight", np.ones(3), "not parameters of this network: head.weight"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(
    path: Path, name: str, values: NDArray[Any], said: str
) -> None:
    assert said in refused(path, {**own(), name: values})


def test_equal_shapes_are_told_apart_by_number_or_refused(path: Path) -> None:
    def layers(*names: str) -> Arrays:
        return {
            f"{name}.{part}": np.full((4, 4) if part == "weight" else 4, i, np.float32)
            for i, name in enumerate(names)
            for part in ("weight", "bias")
        }

    assert "have the same shapes, so it is not certain" in refused(
        path, layers("in", "out"), SQUARE
    )
    safetensors.numpy.save_file(layers("2", "10"), path)
    with pytest.warns(LenetkitWarning, match="b.weight from 10.weight"):
        model = lenetkit.load(path, spec=SQUARE)
    assert model.tensors()["b.bias"].tolist() == [1, 1, 1, 1]
    with path.open("wb") as stream:
        np.savez(stream, *layers("2", "10").values())
    with pytest.raises(ModelFileError, match="fit both as PyTorch stores weights and as Keras"):
        lenetkit.load(path, spec=SQUARE)


def test_initial_weights_leave_out_the_head_and_say_so(path: Path) -> None:
    given = {**own(), "fc2.weight": np.ones((9, 7)), "fc2.bias": np.ones(9)}
    safetensors.numpy.save_file(given, path)
    model = lenetkit.build(SPEC)
    said = file.load_matching(model, path)
    fits = "it would fit with layers.fc2.out_features=9"
    assert f"  fc2.weight: expected 4×7, found 9×7; {fits}; initialized instead" in said
    assert np.array_equal(model.tensors()["fc1.weight"], own()["fc1.weight"])
    given["fc1.weight"] = given["fc1.weight"].T.copy()
    safetensors.numpy.save_file(given, path)
    with pytest.raises(ModelFileError, match="transposed, as Keras stores it, it would fit"):
        file.load_matching(model, path)


def test_unnamed_arrays_of_keras_may_have_another_head(path: Path) -> None:
    *given, _, _ = keras().values()
    with path.open("wb") as stream:
        np.savez(stream, *given, np.ones((7, 9)), np.ones(9))
    model = lenetkit.build(SPEC)
    said = "\n".join(file.load_matching(model, path))
    assert "conv1.weight from arr_0, transposed" in said
    assert "fc2.weight: expected 4×7, found 7×9 in arr_8; it would fit with layers.fc2" in said
    assert np.array_equal(model.tensors()["fc1.weight"], own()["fc1.weight"])


def test_weights_alone_need_a_spec_and_model_files_none(path: Path) -> None:
    safetensors.numpy.save_file(own(), path)
    with pytest.raises(ModelFileError, match=r"holds weights without a spec .*spec=\"lenet5\""):
        lenetkit.load(path)
    network().save(path)
    with pytest.raises(ModelFileError, match="a spec inside; leave `spec` out"):
        lenetkit.load(path, spec=SPEC)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02\x8a\x0al\xfc" + bytes(9), 'safetensors.torch.save_file(torch.load("weights"'),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), 'numpy.savez("weights.npz", **{v.path'),
        (b"\x93NUMPY\x01\x00" + bytes(90), "is a single NumPy array"),
        ({"archive/data.pkl": b""}, "is PyTorch's own format, a pickle, which can run code"),
        ({"model.weights.h5": b""}, "is Keras' own format, HDF5"),
        ({"a.txt": b""}, "is a ZIP archive without arrays"),
        ({}, "is a ZIP archive without arrays; expected a model file, safetensors or .npz"),
        ({"a.npy": b"\x93NUMPY\x01\x00\x05\x00[[[[["}, "a.npy: "),
        ({f"{i}.npy": b"" for i in range(501)}, "501 arrays; expected at most 500"),
    ],
)
def test_other_files_are_refused_with_what_converts_them(
    path: Path, content: bytes | dict[str, bytes], said: str
) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    with pytest.raises(ModelFileError) as caught:
        lenetkit.load(path, spec="lenet5")
    assert said in str(caught.value)


def test_python_objects_in_an_archive_are_refused(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, np.array([None], object))
    with pytest.raises(ModelFileError, match=r"arr_0\.npy: has Python objects, which can run code"):
        lenetkit.load(path, spec="lenet5")


def test_an_array_may_be_called_as_a_prefix(path: Path) -> None:
    given = {f"module.{name}": values for name, values in own().items()}
    safetensors.numpy.save_file({"module": np.zeros(1, np.float32), **given}, path)
    with pytest.warns(LenetkitWarning, match="not used: module"):
        lenetkit.load(path, spec=SPEC)


def test_a_damaged_archive_is_refused(path: Path) -> None:
    """Its directory says that a file begins before the archive does."""
    with path.open("wb") as stream:
        np.savez(stream, *own().values())
    data = path.read_bytes()
    at = data.rindex(b"PK\5\6") + 16  # where the directory begins
    start = int.from_bytes(data[at : at + 4], "little") + 1000
    path.write_bytes(data[:at] + start.to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(ModelFileError, match="damaged ZIP archive"):
        lenetkit.load(path, spec=SPEC)
