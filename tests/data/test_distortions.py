"""Random distortions, held to slow references and to what their options promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.data.distortions import Elastic, RandomAffine, bilinear
from lenetkit.errors import OptionError

Floats = NDArray[np.float64]
ANGLE, SLANT, ZOOM, RIGHT, DOWN = range(5)  # the order of RandomAffine's draws


class Drawn(np.random.Generator):
    """Draws what it is told, in −1 … 1, for every image."""

    def __init__(self, **values: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.values = values

    def uniform(self, low: Any = -1, high: Any = 1, size: Any = None) -> Any:
        order = ("angle", "slant", "zoom", "right", "down")
        draws = np.array([self.values.get(name, 0.0) for name in order])
        return np.broadcast_to(draws.reshape(5, 1, 1, 1), size).copy()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_images(shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    return rng(9).integers(0, 256, shape).astype(dtype)


def blob(size: int, count: int = 1) -> NDArray[np.uint8]:
    """A round spot in the middle, black well before the edge."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    spot = 255 * np.exp(-(y**2 + x**2) / (2 * (size / 12) ** 2))
    return np.broadcast_to(spot.astype(np.uint8), (count, 1, size, size)).copy()


def shifted(image: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    """np.roll with zeros in place of what comes round."""
    result = np.roll(image, (down, right), (-2, -1))
    H, W = image.shape[-2:]
    result[..., [y for y in range(H) if not 0 <= y - down < H], :] = 0
    result[..., :, [x for x in range(W) if not 0 <= x - right < W]] = 0
    return result


def read_between(image: NDArray[Any], y: float, x: float) -> float:
    """One value at a place between pixels, from its four neighbours; 0 outside."""
    H, W = image.shape
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < H and 0 <= column < W:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * float(image[row, column])
    return total


def slow_affine(
    image: NDArray[Any], angle: float, slant: float, zoom: float, right: float, down: float
) -> Floats:
    """Rotate by `angle`, slant, zoom, then shift; all in degrees, factors and pixels."""
    turn, lean = math.radians(angle), math.tan(math.radians(slant))
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    forward = zoom * np.array([[1, -lean], [0, 1]]) @ rotation  # acts on (x, y)
    H, W = image.shape
    centre = np.array([(W - 1) / 2, (H - 1) / 2])
    result = np.zeros((H, W))
    for row in range(H):
        for column in range(W):
            there = np.array([column - right, row - down]) - centre
            x, y = np.linalg.solve(forward, there) + centre
            result[row, column] = read_between(image, y, x)
    return result


# --- reading between pixels -----------------------------------------------------------------


def test_bilinear_reads_as_the_slow_reference() -> None:
    images = random_images((3, 2, 5, 7))
    y = rng(1).uniform(-3, 8, (3, 4, 6)).astype(np.float32)
    x = rng(2).uniform(-3, 10, (3, 4, 6)).astype(np.float32)
    result = bilinear(images, y, x)
    assert result.shape == (3, 2, 4, 6)
    assert result.dtype == np.float32
    for n, c, row, column in np.ndindex(*result.shape):
        expected = read_between(images[n, c], float(y[n, row, column]), float(x[n, row, column]))
        assert result[n, c, row, column] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("place", [-1e9, -2.0, -1.0, 4.0, 5.0, 1e9])
def test_bilinear_is_zero_outside(place: float) -> None:
    images = np.full((1, 1, 4, 4), 255, np.uint8)
    inside, outside = np.full((1, 1, 1), 1.5, np.float32), np.full((1, 1, 1), place, np.float32)
    assert bilinear(images, outside, inside) == 0
    assert bilinear(images, inside, outside) == 0


# --- affine ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (2, 3, 5, 8), (2, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("distortion", [RandomAffine(), Elastic(alpha=0)])
def test_zero_strength_changes_nothing(distortion: Any, shape: tuple[int, ...]) -> None:
    images = random_images(shape)
    result = distortion.images(images, rng())
    np.testing.assert_array_equal(result, images)
    assert result.dtype == np.float32


@pytest.mark.parametrize("down", [-3, 0, 2, 8])
@pytest.mark.parametrize("right", [-8, -1, 0, 4])
def test_whole_pixels_shift_as_roll_does(down: int, right: int) -> None:
    images = random_images((2, 2, 8, 16))
    affine = RandomAffine(translate=(1, 1))
    result = affine.images(images, Drawn(down=down / 8, right=right / 16))
    np.testing.assert_allclose(result, shifted(images, down, right), atol=1e-3)


@pytest.mark.parametrize("shape", [(8, 8), (9, 9)])
def test_quarter_turns_are_exact(shape: tuple[int, int]) -> None:
    images = random_images((2, 1, *shape))
    clockwise = RandomAffine(degrees=90).images(images, Drawn(angle=1))
    np.testing.assert_allclose(clockwise, np.rot90(images, -1, (2, 3)), atol=0.01)
    back = RandomAffine(degrees=90).images(images, Drawn(angle=-1))
    np.testing.assert_allclose(back, np.rot90(images, 1, (2, 3)), atol=0.01)
    half = RandomAffine(degrees=180).images(images, Drawn(angle=1))
    np.testing.assert_allclose(half, images[:, :, ::-1, ::-1], atol=0.01)


@pytest.mark.parametrize(
    "moves",
    [
        {"angle": 30.0},
        {"angle": -75.5},
        {"slant": 20.0},
        {"zoom": 1.4},
        {"zoom": 0.6},
        {"right": 1.3, "down": -2.6},
        {"angle": 25.0, "slant": -12.0, "zoom": 1.2, "right": 0.7, "down": 1.9},
    ],
)
@pytest.mark.parametrize("size", [(11, 11), (10, 13)])
def test_affine_reads_as_the_slow_reference(size: tuple[int, int], moves: dict[str, float]) -> None:
    H, W = size
    full = {"angle": 0.0, "slant": 0.0, "zoom": 1.0, "right": 0.0, "down": 0.0} | moves
    affine = RandomAffine(degrees=180, shear=45, scale=(0.5, 1.5), translate=(1, 1))
    drawn = Drawn(
        angle=full["angle"] / 180,
        slant=full["slant"] / 45,
        zoom=(full["zoom"] - 1) / 0.5,
        right=full["right"] / W,
        down=full["down"] / H,
    )
    images = random_images((1, 1, H, W))
    expected = slow_affine(images[0, 0], **full)
    np.testing.assert_allclose(affine.images(images, drawn)[0, 0], expected, atol=0.02)


def test_zoom_above_one_enlarges() -> None:
    images = blob(32)
    larger = RandomAffine(scale=(1.5, 1.5)).images(images, rng())
    assert larger.sum() / images.sum() == pytest.approx(1.5**2, rel=0.01)


def test_mass_stays_under_rotation_shift_and_shear() -> None:
    images = blob(40, count=50)
    affine = RandomAffine(degrees=180, translate=(0.1, 0.1), shear=20)
    masses = affine.images(images, rng()).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(masses, images[0].sum(), rtol=0.01)


def drawn_parameters(affine: RandomAffine, count: int = 4000) -> Floats:
    """(5, count): what was drawn, worked out of the places: degrees, factors and pixels."""
    H, W = 5, 9
    y, x = (field.astype(np.float64) for field in affine.positions((count, 1, H, W), rng(5)))
    a, b = x[:, 2, 5] - x[:, 2, 4], x[:, 3, 4] - x[:, 2, 4]
    c, d = y[:, 2, 5] - y[:, 2, 4], y[:, 3, 4] - y[:, 2, 4]
    forward = np.linalg.inv(np.stack([a, b, c, d], axis=-1).reshape(-1, 2, 2))
    zoom = np.sqrt(np.linalg.det(forward))
    angle = np.degrees(np.arctan2(forward[:, 1, 0], forward[:, 1, 1]))
    turn = np.radians(angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    leaning = forward / zoom[:, None, None] @ rotation.transpose(2, 0, 1)
    slant = np.degrees(np.arctan(leaning[:, 0, 1]))
    moved = np.stack([4 - x[:, 2, 4], 2 - y[:, 2, 4]], axis=-1)
    right, down = np.einsum("nij,nj->in", forward, moved)
    return np.stack([angle, slant, zoom, right, down])


def assert_uniform(values: Floats, low: float, high: float) -> None:
    """Within the range, and by Kolmogorov and Smirnov's measure as uniform as chance allows."""
    slack = 1e-4 * max(abs(low), abs(high))
    assert values.min() >= low - slack
    assert values.max() <= high + slack
    steps = np.arange(1, len(values) + 1) / len(values)
    assert np.abs((np.sort(values) - low) / (high - low) - steps).max() < 1.95 / len(values) ** 0.5


def test_drawn_parameters_are_uniform_in_their_ranges_and_independent() -> None:
    affine = RandomAffine(degrees=15, translate=(0.1, 0.2), scale=(0.8, 1.3), shear=10)
    drawn = drawn_parameters(affine)
    ranges = {
        ANGLE: (-15, 15),
        SLANT: (-10, 10),
        ZOOM: (0.8, 1.3),
        RIGHT: (-0.1 * 9, 0.1 * 9),
        DOWN: (-0.2 * 5, 0.2 * 5),
    }
    for index, (low, high) in ranges.items():
        assert_uniform(drawn[index], low, high)
    correlation = np.corrcoef(drawn) - np.eye(5)
    assert np.abs(correlation).max() < 4 / 4000**0.5


@pytest.mark.parametrize(
    ("options", "free"),
    [
        ({"degrees": 30}, ANGLE),
        ({"shear": 30}, SLANT),
        ({"scale": [0.5, 2]}, ZOOM),
        ({"translate": [0.3, 0]}, RIGHT),
        ({"translate": [0, 0.3]}, DOWN),
    ],
)
def test_one_option_moves_one_parameter(options: dict[str, Any], free: int) -> None:
    drawn = drawn_parameters(RandomAffine(**options), count=200)
    still = np.array([0, 0, 1, 0, 0])
    for index, values in enumerate(drawn):
        spread = np.abs(values - still[index]).max()
        assert (spread > 0.1) == (index == free)
        assert index == free or spread < 1e-4


# --- elastic --------------------------------------------------------------------------------


def gaussian(sigma: float, reach: int) -> Floats:
    weights: Floats = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0, 4.0, 20.0])
def test_elastic_is_blurred_uniform_noise(sigma: float) -> None:
    """As the docstring says: alpha · noise in ±1, blurred; beyond the edge there is nothing."""
    N, H, W, alpha = 2, 9, 12, 5.0
    y, x = Elastic(alpha=alpha, sigma=sigma).positions((N, 1, H, W), rng(4))
    noise = alpha * (2 * rng(4).random((2, N, H, W), np.float32).astype(np.float64) - 1)
    reach = max(math.ceil(10 * sigma), 12)
    kernel = gaussian(sigma, reach)
    expected = np.zeros_like(noise)
    for index in np.ndindex(2, N):
        rows = [np.convolve(row, kernel)[reach : reach + W] for row in noise[index]]
        columns = [np.convolve(column, kernel)[reach : reach + H] for column in np.array(rows).T]
        expected[index] = np.array(columns).T
    row, column = np.mgrid[:H, :W]
    np.testing.assert_allclose(y - row, expected[0], atol=1e-4)
    np.testing.assert_allclose(x - column, expected[1], atol=1e-4)


def test_elastic_moves_pixels_as_far_as_its_definition_says() -> None:
    """Deviation inside: alpha / √3 (uniform noise) · 1 / (2 √π sigma) (a Gaussian blur)."""
    alpha, sigma = 34.0, 4.0
    y, x = Elastic(alpha=alpha, sigma=sigma).positions((600, 1, 48, 48), rng())
    inside = np.stack([y[:, 24, 24] - 24, x[:, 24, 24] - 24])
    expected = alpha / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma)
    assert inside.std() == pytest.approx(expected, rel=0.08)
    assert abs(inside.mean()) < 4 * expected / 1200**0.5
    assert abs(np.mean(inside[0] * inside[1])) < 4 * expected**2 / 600**0.5


def test_elastic_without_blur_keeps_the_noise_within_alpha() -> None:
    y, x = Elastic(alpha=3, sigma=0.01).positions((20, 1, 30, 30), rng())
    row, column = np.mgrid[:30, :30]
    assert_uniform((y - row).reshape(-1).astype(np.float64), -3, 3)
    assert_uniform((x - column).reshape(-1).astype(np.float64), -3, 3)


def test_elastic_is_smooth() -> None:
    y, x = Elastic().positions((50, 1, 28, 28), rng())
    row, column = np.mgrid[:28, :28]
    for moved in (y - row, x - column):
        for axis in (1, 2):
            assert np.abs(np.diff(moved, axis=axis)).max() < 0.25 * np.abs(moved).max()


def test_elastic_keeps_most_of_the_mass() -> None:
    """Stretching adds a little more than squeezing takes away."""
    images = blob(28, count=200)
    masses = Elastic().images(images, rng()).sum(axis=(1, 2, 3)) / images[0].sum()
    assert 1 < masses.mean() < 1.1
    assert masses.min() > 0.4
    assert masses.max() < 2.5


# --- both -----------------------------------------------------------------------------------

STRONG = [
    pytest.param(RandomAffine(degrees=20, translate=(0.1, 0.1), shear=10), id="affine"),
    pytest.param(Elastic(), id="elastic"),
]


@pytest.mark.parametrize("distortion", STRONG)
def test_seed_determines_the_result_and_images_differ(distortion: Any) -> None:
    images = np.repeat(random_images((1, 1, 20, 20)), 6, axis=0)
    first = distortion.images(images, rng(1))
    np.testing.assert_array_equal(distortion.images(images, rng(1)), first)
    assert not np.array_equal(distortion.images(images, rng(2)), first)
    assert len({image.tobytes() for image in first}) == 6


@pytest.mark.parametrize("distortion", STRONG)
def test_channels_move_together(distortion: Any) -> None:
    one = random_images((3, 1, 12, 12))
    result = distortion.images(np.repeat(one, 3, axis=1), rng())
    np.testing.assert_array_equal(result, np.repeat(result[:, :1], 3, axis=1))


@pytest.mark.parametrize("distortion", STRONG)
def test_bytes_stay_in_their_range(distortion: Any) -> None:
    images = np.where(random_images((30, 1, 16, 16)) > 127, 255, 0).astype(np.uint8)
    result = distortion.images(images, rng())
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert 200 < result.max() <= 255 * (1 + 1e-6)


@pytest.mark.parametrize("distortion", STRONG)
def test_result_is_linear_in_the_image(distortion: Any) -> None:
    images = random_images((4, 1, 16, 16), np.float32)
    result = distortion.images(images, rng())
    np.testing.assert_allclose(distortion.images(images / 255, rng()), result / 255, atol=1e-5)


@pytest.mark.parametrize("distortion", STRONG)
def test_distortions_are_for_training_only(distortion: Any) -> None:
    assert distortion.training_only


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (RandomAffine, {"scale": (1e-320, 1)}, "scale: expected a list of 2 numbers ≥ 0.01 and"),
        (RandomAffine, {"scale": (1, 1e300)}, "≤ 100, found [1, 1e+300]"),
        (Elastic, {"alpha": 1e300}, "alpha: expected a number ≥ 0 and ≤ 1e+06, found 1e+300"),
        (Elastic, {"sigma": 1e9}, "sigma: expected a number ≥ 0.01 and ≤ 1000, found 10"),
        (Elastic, {"sigma": 1e-320}, "sigma: expected a number ≥ 0.01"),
    ],
)
def test_what_no_image_survives_is_refused(kind: Any, options: Any, expected: str) -> None:
    with pytest.raises(OptionError) as caught:
        kind(**options)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "distortion",
    [
        Elastic(alpha=1e6, sigma=1000),
        Elastic(alpha=1e6, sigma=0.01),
        RandomAffine(degrees=180, scale=(0.01, 100), shear=89.999, translate=(1, 1)),
    ],
    ids=repr,
)
def test_the_bounds_themselves_give_images(distortion: Any) -> None:
    images = random_images((9, 1, 28, 28))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = distortion.images(images, rng())
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 255
