"""Model files: whole or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from safetensors import SafetensorError

from lenetkit.errors import ModelFileError
from lenetkit.files import tensorfile

METADATA = {"spec": 'name: "Größe"\n', "classes": '["null", "數字"]', "empty": ""}


def some_tensors() -> tensorfile.Tensors:
    rng = np.random.default_rng(0)
    return {
        "conv1.weight": rng.standard_normal((3, 1, 5, 5)).astype(np.float32),
        "schicht_ä.bias": rng.standard_normal(5),
        "steps": np.array([7, -1], np.int64),
        "mask": np.array([True, False, True]),
        "nothing": np.zeros((0, 4), np.float32),
        "one": np.array(2.5, np.float32),
        "half": np.arange(3, dtype=np.float16),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "model.safetensors"
    tensorfile.write(file, some_tensors(), METADATA)
    return file


def header_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def write_raw(path: Path, header: str | bytes, values: bytes = b"") -> None:
    header = header.encode() if isinstance(header, str) else header
    path.write_bytes(len(header).to_bytes(8, "little") + header + values)


def assert_refused(path: Path, match: str = ".") -> None:
    with pytest.raises(ModelFileError, match=match) as caught:
        tensorfile.read(path)
    assert str(path) in str(caught.value)


def test_round_trip(path: Path) -> None:
    tensors, metadata = tensorfile.read(path)
    expected = some_tensors()
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(tensors[name], values, strict=True)
    assert METADATA.items() <= metadata.items()
    assert metadata.keys() - METADATA.keys() == {"digest", "metadata_digest"}


def test_the_safetensors_library_can_read_it(path: Path) -> None:
    tensors = safetensors.numpy.load_file(path)
    np.testing.assert_array_equal(tensors["conv1.weight"], some_tensors()["conv1.weight"])


def test_memory_layout_does_not_matter(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    same = [np.asfortranarray(values), values.astype(">f4"), np.repeat(values, 2, 1)[:, ::2]]
    tensorfile.write(tmp_path / "plain", {"w": values}, {})
    for number, other in enumerate(same):
        tensorfile.write(tmp_path / str(number), {"w": other}, {})
        assert (tmp_path / str(number)).read_bytes() == (tmp_path / "plain").read_bytes()


def test_equal_input_gives_equal_bytes_in_any_process_and_order(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lenetkit.files import tensorfile\n"
        "tensors, texts = tensorfile.read(Path(sys.argv[1]))\n"
        "texts = {k: texts[k] for k in reversed(texts) if 'digest' not in k}\n"
        "tensors = {k: tensors[k] for k in reversed(tensors)}\n"
        "tensorfile.write(Path(sys.argv[2]), tensors, texts)"
    )
    for seed in ("0", "1"):
        again = path.with_name(seed)
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, path, again], check=True, env=environment)
        assert again.read_bytes() == path.read_bytes()


def test_header_is_sorted_and_padded(path: Path) -> None:
    length = int.from_bytes(path.read_bytes()[:8], "little")
    assert length % 8 == 0
    assert list(header_of(path)) == sorted(header_of(path))


def test_every_truncation_is_refused(path: Path) -> None:
    data, cut = path.read_bytes(), path.with_name("cut")
    refused = 0
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        assert_refused(cut)
        refused += 1
    assert refused == len(data) > 1000


def test_every_flipped_bit_is_refused(path: Path) -> None:
    """All of them: length, header, padding, metadata, digests and values."""
    data = path.read_bytes()
    tried, accepted = 0, []
    with path.open("rb+", buffering=0) as file:
        for position, byte in enumerate(data):
            for bit in range(8):
                file.seek(position)
                file.write(bytes([byte ^ (1 << bit)]))
                tried += 1
                try:
                    tensorfile.read(path)
                except ModelFileError:
                    continue
                accepted.append((position, bit))
            file.seek(position)
            file.write(bytes([byte]))
    assert tried == 8 * len(data) > 8000
    assert accepted == []
    tensorfile.read(path)


def test_damage_is_named(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert_refused(path, "weights do not match their digest")
    path.write_bytes(data.replace("數".encode(), "数".encode()))
    assert_refused(path, "metadata do not match their digest")


def test_added_metadata_is_refused(path: Path) -> None:
    tensors, metadata = tensorfile.read(path)
    safetensors.numpy.save_file(tensors, path, metadata | {"more": "text"})
    assert_refused(path, "metadata do not match")


def test_trailing_bytes_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    assert_refused(path, "damaged")


@pytest.mark.parametrize("length", [1 << 20, 1 << 40, (1 << 64) - 1])
def test_huge_header_length_is_refused(path: Path, length: int) -> None:
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    assert_refused(path, "damaged or not a safetensors file")


def test_tensor_larger_than_the_file_is_refused(path: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    write_raw(path, json.dumps({"w": entry}))
    assert_refused(path, "damaged")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64", "Q5"])
def test_types_that_numpy_lacks_are_refused(path: Path, dtype: str) -> None:
    size = {"BF16": 2, "C64": 8}.get(dtype, 1)
    write_raw(
        path,
        json.dumps({"w": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}),
        b"\0" * size,
    )
    assert_refused(path)


@pytest.mark.parametrize("metadata", ["null", "{}", '{"digest": ""}', "3", '{"digest": 3}', "[]"])
def test_metadata_without_digests_is_refused(path: Path, metadata: str) -> None:
    write_raw(path, f'{{"__metadata__": {metadata}}}')
    assert_refused(path)


def test_a_safetensors_file_without_a_digest_is_refused(path: Path) -> None:
    safetensors.numpy.save_file({"w": np.zeros(3)}, path)
    assert_refused(path, "no digest: it is not a lenetkit model file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"damaged or not a safetensors file \(it is an empty file\)"),
        (b"\0" * 7, "damaged or not a safetensors file"),
        (b"\0" * 8, "damaged or not a safetensors file"),
        (b"\xff" * 99, r"not a safetensors file \(it is of an unknown kind \(it starts with ff ff"),
        (
            b"PK\x03\x04" * 40,
            "is a ZIP archive; expected a model file, such as runs/NAME/001/model",
        ),
        (b"name: lenet5\n", "is a text file; expected a model file"),
        (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0}", "is a Python pickle; expected a model file"),
    ],
)
def test_files_of_other_kinds_are_refused(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    assert_refused(path, said)


def test_an_oversized_header_is_refused_unread(path: Path) -> None:
    length = tensorfile.MAX_HEADER + 1
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b'{"')
        file.truncate(8 + length)
    tracemalloc.start()
    try:
        assert_refused(path, r"a header of 4,194,305 bytes; expected at most 4,194,304")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_bytes_that_the_header_does_not_describe_are_refused_unread(path: Path) -> None:
    """A sparse file costs nothing to create; reading it would take its whole size."""
    with path.open("rb+") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    try:
        assert_refused(path, r"the header declares [0-9,]+ bytes of weights, the file has 1,07")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_could_not_be_read_back_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match="or it could not be read back"):
        tensorfile.write(path, {}, {"long": "x" * tensorfile.MAX_HEADER})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "header", ["", "[]", "null", "{", '{"w": 3}', b"\xff\xfe{}", "[" * 5000, '{"w":{}}']
)
def test_malformed_headers_are_refused(path: Path, header: str | bytes) -> None:
    write_raw(path, header)
    assert_refused(path)


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none", "no such file")
    assert_refused(tmp_path, "is a folder")
    (tmp_path / "file").touch()
    assert_refused(tmp_path / "file" / "model", "cannot be read")


def test_an_oversized_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(tensorfile.MAX_BYTES + 1)
    assert_refused(path, "at most")


def test_digest_depends_on_name_type_shape_and_values() -> None:
    base = {"w": np.arange(4, dtype=np.float32)}
    others: list[tensorfile.Tensors] = [
        {"v": base["w"]},
        {"w": base["w"].astype(np.float64)},
        {"w": base["w"].view(np.int32)},
        {"w": base["w"].reshape(2, 2)},
        {"w": base["w"][::-1]},
        {"w": np.array([0.0, 1, 2, np.nextafter(np.float32(3), np.float32(4))], np.float32)},
        {"w": np.array([-0.0, 1, 2, 3], np.float32)},
        {},
    ]
    digests = [tensorfile.tensor_digest(tensors) for tensors in [base, *others]]
    assert len(set(digests)) == len(digests)


def test_failed_write_leaves_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(SafetensorError):
        tensorfile.write(path, {"w": np.array(["text"], object)}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
