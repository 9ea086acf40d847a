"""One line during training: that a network is still where guessing is."""

from __future__ import annotations

import numpy as np

from lenetkit.network.network import Network
from lenetkit.text import percent, printable
from lenetkit.training.evaluation import Evaluation, RealEvaluation

_CHANCE = 0.03
"""Share of the answers, beyond the most frequent label's, up to which they are guesses."""
_ONE = 0.99
"""Share of the answers from which all images get the same one."""


def at_chance(found: Evaluation, network: Network) -> str:
    """What to say of results on the training samples that are no better than chance; else empty.

    The gradients are those of the network's last step.
    """
    if found.n < 2:
        return ""
    if isinstance(found, RealEvaluation):
        return "" if found.r2 > _CHANCE else f"R² is {found.r2:.2g}; {_gradients(network)}"
    frequent = np.bincount(found.labels).max() / found.n
    if frequent == 1 or found.accuracy > frequent + _CHANCE * (1 - frequent):
        return ""
    counts = np.bincount(found.predicted)
    answer = int(counts.argmax())
    name = found.names[answer] if answer < len(found.names) else answer
    if counts.max() >= _ONE * found.n:
        said = f"all images are answered {printable(name)}"
    else:
        share = percent(counts.max() / found.n, 0)
        said = f"answers are right by chance, and {share} of them are {printable(name)}"
    return f"{said}; {_gradients(network)}"


def _gradients(network: Network) -> str:
    norms = [float(np.linalg.norm(gradient)) for gradient in network.gradients().values()]
    return f"gradient norms are near {np.median(norms):.1g}"
