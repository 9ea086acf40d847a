"""A schedule that ignores the optimizer's `lr`."""

from dataclasses import dataclass

from lenetkit.authoring import Schedule


@dataclass(frozen=True, kw_only=True)
class Sch(Schedule):
    """s"""

    def rate(self, lr, at):
        return 0.01


PLUGINS = {"sch": Sch}
