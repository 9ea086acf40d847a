"""The causes in words that a reader in the second year understands."""

from __future__ import annotations

SENTENCES = {
    "constant_input": "All images are the same when they reach the network, so there is nothing to "
    "tell them apart by.",
    "labels_without_signal": "The labels have nothing to do with the images, so no network can "
    "learn them.",
    "unshuffled_data": "The samples come in the order of their labels, so each batch teaches a few "
    "classes and makes the network forget the others.",
    "unscaled_input": "The inputs are far from a size of about 1, so the first layer's outputs and "
    "gradients have the wrong size too.",
    "activation_before_loss": "An activation stands between the last layer and a loss that expects "
    "the layer's own outputs; it squeezes them, and gradients with them.",
    "no_nonlinearity": "Layers follow each other with nothing nonlinear between, so together they "
    "can do no more than one of them.",
    "bottleneck": "A layer is so narrow that what tells the classes apart does not fit through it.",
    "symmetric_start": "All units of a layer start with the same weights, so they get the same "
    "gradients and never become different.",
    "frozen_layer": "A layer that should learn never changes: its gradient is exactly 0, or the "
    "optimizer leaves it out.",
    "saturated_units": "The units start where their activation is flat, so hardly any gradient "
    "passes through them.",
    "dead_units": "Units give 0 for every image from the start; with a slope of 0 they get no "
    "gradient and stay so.",
    "vanishing_gradient": "Signals and gradients shrink from layer to layer, so that too little "
    "arrives for the layers to learn from.",
    "exploding_gradient": "Signals and gradients grow from layer to layer, so that the first steps "
    "throw the weights far off.",
    "too_much_regularization": "Regularization pulls harder than the loss: weights or activations "
    "are wiped out faster than they are learned.",
    "rate_too_high": "The learning rate is too high: each step overshoots what it aims at.",
    "rate_too_low": "The learning rate is too low: the steps are so small that the network stays "
    "where it started.",
}
"""What each cause means."""

REMEDIES = {
    "constant_input": "find out why all images are alike: lenetkit data show",
    "labels_without_signal": "check that images and labels belong together: lenetkit data show",
    "unshuffled_data": "shuffle the samples in every epoch",
    "unscaled_input": "scale the inputs to a size of about 1",
    "activation_before_loss": "remove the activation between the last layer and the loss",
    "no_nonlinearity": "put an activation between the layers",
    "bottleneck": "make the narrow layer wider",
    "symmetric_start": "start from random weights",
    "frozen_layer": "check the layer's backward pass and the optimizer: lenetkit plugins check",
    "saturated_units": "start from smaller weights or biases, where the activation has a slope",
    "dead_units": "start from weights and biases with which the units give more than 0",
    "vanishing_gradient": "start from weights that keep the size of signals from layer to layer, "
    "or use activations that do",
    "exploding_gradient": "start from smaller weights, scaled to the inputs of each layer",
    "too_much_regularization": "regularize less",
    "rate_too_high": "lower the learning rate",
    "rate_too_low": "raise the learning rate",
}
"""What helps, where a finding has nothing more exact to say."""

FIGURES = {
    "mean": "mean",
    "deviation": "deviation",
    "dead": "dead",
    "flat": "flat",
    "gradient": "‖dL/dy‖",
    "weight_gradient": "‖dL/dw‖",
    "update": "‖Δw‖/‖w‖",
}
"""Figures of a layer, and what tables and pictures call them."""
