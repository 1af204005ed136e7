"""Grad-CAM and Grad-CAM++: channels of a layer, weighted by their gradients."""

from __future__ import annotations

import numpy as np

from explain.algorithms.class_activation_map.layer_maps import (
    found_over_input,
    places_of,
    units_and_gradients,
)
from explain.algorithms.example_warnings import Warnings, examples_named
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.errors import CancellationWarning
from explain.inputs.examples import Array
from explain.records import changed
from explain.running.maps.mean_gradient import ROUNDINGS, mean_is_rounding
from explain.running.problem import Problem


def grad_cam(problem: Problem) -> Found:
    """Sum the channels of a layer, weighted by their mean gradients, and keep the positive part.

    Selvaraju et al., *Grad-CAM*, arXiv:1610.02391.
    """
    units, gradients = units_and_gradients(problem)
    weights = gradients.mean(axis=places_of(units), keepdims=True)
    terms = weights * units
    maps = terms.sum(axis=-1)
    found = found_over_input(problem, maps, gradients)
    limit = ROUNDINGS * np.finfo(problem.backend.dtype).eps * np.abs(terms).sum(axis=-1)
    rounding = (np.abs(maps) <= limit).reshape(len(maps), -1).all(axis=1)
    rounding |= mean_is_rounding(gradients, problem.backend.dtype).all(axis=-1)
    return changed(found, warnings=(*found.warnings, *_rounding_warnings(problem, maps, rounding)))


def _rounding_warnings(problem: Problem, maps: Array, rounding: Array) -> Warnings:
    """Warn of examples whose map is the rounding of its terms and not zero, which has its own warning."""
    alike = np.flatnonzero(rounding & maps.reshape(len(maps), -1).any(axis=1))
    if not alike.size:
        return ()
    assert problem.call is not None
    text = (
        f"The map is the rounding of its own terms for {examples_named(alike)}: the gradients to layer "
        f"{problem.call.label!r} cancel when they are averaged over its places, as in front of a softmax over them. "
        "Use method='layer_cam', which weights each place by its own gradient, or name an earlier layer with layer=."
    )
    return ((text, CancellationWarning),)


def grad_cam_plus_plus(problem: Problem) -> Found:
    """Weight each channel by its positive gradients, which count more where few positions have one.

    Chattopadhay et al., *Grad-CAM++*, arXiv:1710.11063. For the exponential of the score, the paper's second
    and third derivatives are the second and third power of the score's gradient, up to a factor that cancels.
    """
    units, gradients = units_and_gradients(problem)
    places = places_of(units)
    square = gradients**2
    below = 2 * square + units.sum(axis=places, keepdims=True) * gradients**3
    shares = np.divide(square, below, out=np.zeros_like(square), where=below != 0)
    weights = (shares * np.maximum(gradients, 0)).sum(axis=places, keepdims=True)
    return found_over_input(problem, (weights * units).sum(axis=-1), gradients)


ROWS = (
    Method(
        grad_cam,
        title="Grad-CAM",
        aliases=("gradcam",),
        summary="Where the channels of a layer that raise the score are active, weighted by their mean gradient.",
        paper="Selvaraju et al. 2016, arXiv:1610.02391",
        needs=frozenset({"outputs", "gradients", "layers"}),
        begins_with="units",
        forms_points=False,
        layer="map",
        drawn="unsigned",
    ),
    Method(
        grad_cam_plus_plus,
        title="Grad-CAM++",
        aliases=("gradcam++", "grad_cam++", "gradcam_plus_plus"),
        summary="As Grad-CAM, with weights that also count small and repeated objects.",
        paper="Chattopadhay et al. 2017, arXiv:1710.11063",
        needs=frozenset({"outputs", "gradients", "layers"}),
        begins_with="units",
        forms_points=False,
        layer="map",
        drawn="unsigned",
    ),
)
