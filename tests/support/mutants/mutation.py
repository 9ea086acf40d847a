"""A right layer with another backward pass, and what a good diagnosis of it says."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One mistake in one layer."""

    layer: Any
    in_shape: tuple[int, ...]
    mistake: str
    named: str
    """A pattern that only a right name of the mistake has."""

    def is_named_by(self, cause: str) -> bool:
        """Whether a likely cause names the mistake."""
        return re.search(self.named, cause, re.IGNORECASE | re.DOTALL) is not None


def mutation(into, right, in_shape, named, **options):
    """Decorates a backward pass, whose docstring tells the mistake."""

    def decorate(backward):
        name = "".join(word.title() for word in backward.__name__.split("_"))
        cls = type(name, (right,), {"backward": backward, "__module__": backward.__module__})
        into.append(Mutant(cls(**options), in_shape, backward.__doc__, named))
        return backward

    return decorate
