"""MNIST: verified, downloaded where it is absent, replaced by the fallback where it cannot be."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from lenetkit.data import mnist
from lenetkit.data.download import DownloadError
from lenetkit.data.finding import file_names
from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.mnist import DIGITS, SHA256, Mnist, fetch
from lenetkit.data.source import SPLITS, DataSource, Place, Split
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import Scale
from lenetkit.errors import DataError, MissingDataError
from lenetkit.network.plan import Plan, load_plan
from lenetkit.spec.sections import DataOptions, DataSpec
from lenetkit.training.data import load_samples

MakeIdx = Callable[..., Path]
Serve = Callable[[str, Callable[[BaseHTTPRequestHandler], None]], str]
TEST_IMAGES, TEST_LABELS = file_names("test")


def spec(fallback: DataSource | None = None) -> Plan:
    plan = load_plan("lenet5")
    data = DataSpec(Mnist(), DataOptions(fallback=fallback, transforms=(Scale(),)))
    return replace(plan, spec=replace(plan.spec, data=data))


@pytest.mark.mnist
@pytest.mark.parametrize(("split", "count"), [("train", 60_000), ("test", 10_000)])
def test_real_files_are_verified(mnist_folder: Path, split: Split, count: int) -> None:
    reports: list[str] = []
    samples = Mnist().load(split, Place(mnist_folder, report=reports.append))
    assert samples.images.shape == (count, 1, 28, 28)
    assert samples.images.dtype == np.uint8
    assert samples.dataset == "MNIST"
    assert samples.classes == DIGITS
    assert (np.bincount(samples.labels) > count / 12).all()
    assert reports == []


@pytest.mark.mnist
@pytest.mark.parametrize("name", [TEST_IMAGES, TEST_LABELS])
def test_one_flipped_bit_is_refused_with_the_remedy(
    mnist_folder: Path, tmp_path: Path, name: str
) -> None:
    for other in (TEST_IMAGES, TEST_LABELS):
        values = read_idx(next(mnist_folder.glob(f"{other}*")))
        if other == name:
            values.reshape(-1)[1234] ^= 1
        write_idx(tmp_path / other, values)
    with pytest.raises(DataError, match=f"is not MNIST's {name}") as caught:
        Mnist().load("test", Place(tmp_path))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / name))
    for remedy in ("delete it and run `lenetkit data fetch`", "`data: idx`", "data.type=idx"):
        assert remedy in message


@pytest.mark.mnist
def test_type_of_values_is_verified_too(mnist_folder: Path, tmp_path: Path) -> None:
    write_idx(
        tmp_path / TEST_IMAGES,
        read_idx(next(mnist_folder.glob(f"{TEST_IMAGES}*"))).view(np.int8),
    )
    shutil.copy(next(mnist_folder.glob(f"{TEST_LABELS}*")), tmp_path)
    with pytest.raises(DataError, match=r"expected unsigned bytes .* found int8"):
        Mnist().load("test", Place(tmp_path))


def test_other_images_of_mnists_shape_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / TEST_IMAGES, np.zeros((10_000, 28, 28), np.uint8))
    write_idx(tmp_path / TEST_LABELS, np.zeros(10_000, np.uint8))
    with pytest.raises(DataError, match=f"is not MNIST's {TEST_IMAGES}: SHA-256"):
        Mnist().load("test", Place(tmp_path))


def test_smaller_set_is_used_under_its_own_name_and_reported(make_idx: MakeIdx) -> None:
    folder = make_idx("my-digits", size=(28, 28))
    for split, count in zip(SPLITS, (12, 6), strict=True):
        reports: list[str] = []
        samples = Mnist().load(split, Place(folder, report=reports.append))
        assert samples.dataset == "my-digits"
        assert len(samples) == count
        assert samples.classes == ("0", "1", "2")
        (report,) = reports
        assert report == f"note: {folder}: not MNIST's files; loading them as another data set"


def test_smaller_set_without_labels_gets_none_of_mnists(make_idx: MakeIdx) -> None:
    folder = make_idx()
    (folder / TEST_LABELS).unlink()
    reports: list[str] = []
    with pytest.raises(MissingDataError, match=f"no file {TEST_LABELS}"):
        Mnist().load("test", Place(folder, report=reports.append))
    assert not any("downloading" in report for report in reports)


def test_damaged_file_is_no_reason_for_the_fallback(tmp_path: Path) -> None:
    (tmp_path / TEST_IMAGES).write_bytes(b"\0\0\x08\x03 and no more")
    place = Place(tmp_path)
    with pytest.raises(DataError, match=r"truncated|more than"):
        load_samples(spec(SyntheticDigits(train=20, test=10)), "test", place)


class TestMissing:
    """The files are nowhere, and no mirror can be reached."""

    @pytest.fixture
    def reports(self) -> list[str]:
        return []

    @pytest.fixture
    def place(self, tmp_path: Path, reports: list[str]) -> Place:
        return Place(tmp_path / "here", report=reports.append)

    def test_download_is_tried_and_the_fallback_used_with_a_warning(
        self, place: Place, reports: list[str]
    ) -> None:
        data = spec(SyntheticDigits(train=20, test=10))
        samples, source = load_samples(data, "test", place)
        assert samples.dataset == "synthetic digits"
        assert len(samples) == 10
        assert source.preparation == "digit"
        assert reports[0] == f"downloading {TEST_IMAGES}.gz to {place.folder}"
        assert reports[1].startswith("warning: ")
        assert "the spec's fallback is used instead" in reports[1]

    def test_fallback_brings_its_own_preparation(self, place: Place, make_idx: MakeIdx) -> None:
        class Other(SyntheticDigits):
            preparation = "resize"

        other = Other(train=10, test=10)
        assert load_samples(spec(other), "test", place)[1] == other

    def test_without_a_fallback_it_is_an_error_with_every_reason_and_what_to_do(
        self, place: Place
    ) -> None:
        with pytest.raises(MissingDataError) as caught:
            load_samples(spec(), "test", place)
        message = str(caught.value)
        for mirror in mnist.MIRRORS:
            assert f"{mirror}{TEST_IMAGES}.gz: tests have no network" in message
        for name in SHA256:
            assert name in message
        assert f"put {', '.join(SHA256)} (plain or .gz) into {place.folder}" in message
        assert "--data-dir FOLDER" in message
        assert "LENETKIT_DATA" in message

    def test_failed_download_leaves_no_file(self, place: Place) -> None:
        with pytest.raises(DownloadError):
            fetch(TEST_IMAGES, place)
        assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize("inside", [None, [], [".DS_Store", "README.md"]])
def test_a_new_or_empty_folder_is_downloaded_to(tmp_path: Path, inside: list[str] | None) -> None:
    folder = tmp_path / "MNIST"
    for name in inside or ():
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
    reports: list[str] = []
    with pytest.raises(DownloadError):
        Mnist().load("train", Place(folder, "--data-dir", report=reports.append))
    assert reports == [f"downloading train-images-idx3-ubyte.gz to {folder}"]


@pytest.mark.parametrize("name", ["notes.txt", "letters", "train-images.txt"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    reports: list[str] = []
    with pytest.raises(MissingDataError, match=f"{name}/; expected train-images-idx3-ubyte, "):
        Mnist().load("train", Place(tmp_path, report=reports.append))
    assert reports == []
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.mnist
@pytest.mark.parametrize("other", [False, True])
def test_missing_files_join_mnists_own_only(
    mnist_folder: Path, tmp_path: Path, other: bool
) -> None:
    name = file_names("train")[1]
    shutil.copy(next(mnist_folder.glob(f"{name}*")), tmp_path)
    if other:  # of MNIST's size, but not MNIST's
        path = tmp_path / f"{TEST_LABELS}.gz"
        write_idx(path, np.zeros(10_000, np.uint8))
    reports: list[str] = []
    with pytest.raises(MissingDataError):
        Mnist().load("train", Place(tmp_path, report=reports.append))
    downloading = [f"downloading train-images-idx3-ubyte.gz to {tmp_path}"]
    assert reports == ([] if other else downloading)


@pytest.mark.mnist
def test_options_of_other_files_are_refused_for_mnists(mnist_folder: Path) -> None:
    with pytest.raises(DataError, match=r"is MNIST's; leave data.transpose, data.label_offset out"):
        Mnist(transpose=True, label_offset=1).load("test", Place(mnist_folder))


@pytest.mark.mnist
def test_mnists_files_beside_others_are_mnist(mnist_folder: Path, tmp_path: Path) -> None:
    for path in mnist_folder.glob("t10k*"):
        (tmp_path / path.name).symlink_to(path)
        (tmp_path / f"emnist-digits-{path.name.replace('t10k', 'test')}").symlink_to(path)
    assert Mnist().load("test", Place(tmp_path)).dataset == "MNIST"


def test_files_under_another_prefix_are_another_data_set(tmp_path: Path) -> None:
    for name, shape in ((TEST_IMAGES, (10_000, 28, 28)), (TEST_LABELS, (10_000,))):
        write_idx(tmp_path / f"kmnist-{name}", np.zeros(shape, np.uint8))
    assert Mnist().load("test", Place(tmp_path)).dataset == "kmnist"


class TestFetch:
    """From a server on this computer, with the digest of a small file."""

    CONTENT = b"\0\0\x08\x01\0\0\0\x03\x07\x02\x01"

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(SHA256, TEST_LABELS, hashlib.sha256(self.CONTENT).hexdigest())

    def mirror(self, serve: Serve, name: str, content: bytes) -> str:
        def reply(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(content)

        return serve(f"/{name}/{TEST_LABELS}.gz", reply).removesuffix(f"{TEST_LABELS}.gz")

    def test_verified_file_lands_where_downloads_go(self, tmp_path: Path, serve: Serve) -> None:
        for level in (1, 9):  # packed differently, equal inside
            place = Place(tmp_path / str(level))
            packed = gzip.compress(self.CONTENT, level, mtime=level)
            path = fetch(TEST_LABELS, place, [self.mirror(serve, "a", packed)])
            assert path == place.folder / f"{TEST_LABELS}.gz"
            np.testing.assert_array_equal(read_idx(path), [7, 2, 1])

    @pytest.mark.parametrize(
        "content",
        [CONTENT[:-1], CONTENT[:-1] + b"\x03", b"<html>", b"", gzip.compress(b"", mtime=0)],
    )
    def test_mirror_with_another_file_leads_to_the_next(
        self, tmp_path: Path, serve: Serve, content: bytes
    ) -> None:
        place = Place(tmp_path)
        bad, good = self.mirror(serve, "a", content), self.mirror(serve, "b", self.CONTENT)
        np.testing.assert_array_equal(read_idx(fetch(TEST_LABELS, place, [bad, good])), [7, 2, 1])
        (tmp_path / f"{TEST_LABELS}.gz").unlink()
        with pytest.raises(DownloadError) as caught:
            fetch(TEST_LABELS, place, [bad])
        assert f"{bad}{TEST_LABELS}.gz: the downloaded file " in str(caught.value)
        assert ".tmp" not in str(caught.value)
        assert "Manually: put" in str(caught.value)
        assert list(tmp_path.iterdir()) == []
