"""Data for the documents' programs, in place of MNIST."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.data.source import Place
from lenetkit.data.synthetic import SyntheticDigits


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 600 training and 200 test images, drawn, in MNIST's format."""
    folder = tmp_path_factory.mktemp("data") / "MNIST"
    folder.mkdir()
    source = SyntheticDigits(train=600, test=200)
    for split in ("train", "test"):
        samples = source.load(split, Place())
        images, labels = file_names(split)
        write_idx(folder / images, samples.images[:, 0])
        write_idx(folder / labels, samples.labels.astype("uint8"))
    return folder
