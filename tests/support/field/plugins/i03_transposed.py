"""An initializer that returns its values with the shape reversed."""

from dataclasses import dataclass

from lenetkit.authoring import Initializer


@dataclass(frozen=True, kw_only=True)
class Ini(Initializer):
    """i"""

    def sample(self, rng, shape, fan_in, fan_out):
        return rng.normal(0, 0.1, shape[::-1])


PLUGINS = {"ini": Ini}
