"""Figures of a run and of data: each function takes plain arrays and returns a matplotlib figure.

This package imports matplotlib, which is slow, so import it only where a figure is made.
"""

from lenetkit.plots import backend  # noqa: F401  # before anything imports matplotlib
from lenetkit.plots.accuracy import accuracy_figure
from lenetkit.plots.confusion import confusion_figure
from lenetkit.plots.fonts import font_advice
from lenetkit.plots.history import history_figure
from lenetkit.plots.layers import layers_figure
from lenetkit.plots.loss import loss_figure
from lenetkit.plots.loss_epochs import loss_epochs_figure
from lenetkit.plots.overlay import Curves, overlay_figure
from lenetkit.plots.page import DPI, FORMATS, Figure, save_figure
from lenetkit.plots.rates import rates_figure
from lenetkit.plots.sheets import MAX_MISTAKES, MAX_SAMPLES, mistakes_figure, samples_figure
from lenetkit.plots.targets import targets_figure

__all__ = [
    "DPI",
    "FORMATS",
    "MAX_MISTAKES",
    "MAX_SAMPLES",
    "Curves",
    "Figure",
    "accuracy_figure",
    "confusion_figure",
    "font_advice",
    "history_figure",
    "layers_figure",
    "loss_epochs_figure",
    "loss_figure",
    "mistakes_figure",
    "overlay_figure",
    "rates_figure",
    "samples_figure",
    "save_figure",
    "targets_figure",
]
