"""The pictures of a report: each function takes plain arrays and returns a matplotlib figure.

Importing this package imports matplotlib, which takes a while; import it where a picture is made.
"""

from lenetkit.plots.accuracy import accuracy_figure
from lenetkit.plots.confusion import confusion_figure
from lenetkit.plots.fonts import missing_characters
from lenetkit.plots.loss import loss_figure
from lenetkit.plots.page import DPI, FORMATS, save_figure
from lenetkit.plots.sheets import MOST_MISTAKES, MOST_SAMPLES, mistakes_figure, samples_figure

__all__ = [
    "DPI",
    "FORMATS",
    "MOST_MISTAKES",
    "MOST_SAMPLES",
    "accuracy_figure",
    "confusion_figure",
    "loss_figure",
    "missing_characters",
    "mistakes_figure",
    "samples_figure",
    "save_figure",
]
