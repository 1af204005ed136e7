"""Guided Grad-CAM: guided backpropagation times Grad-CAM."""

from __future__ import annotations

from explain.algorithms.backward_rules.guided_backprop import guided_backprop
from explain.algorithms.class_activation_map.grad_cam import grad_cam
from explain.algorithms.class_activation_map.layer_maps import channels_of
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def guided_grad_cam(problem: Problem) -> Found:
    """Multiply guided backpropagation at each position by the Grad-CAM map there.

    Selvaraju et al., *Grad-CAM*, arXiv:1610.02391, section 3.2: the fine detail of guided backpropagation
    where Grad-CAM, which separates classes, is positive.
    """
    # The plain gradients come first: a rule uses up the forward pass that both share.
    region, detail = grad_cam(problem), guided_backprop(problem)
    (signed,), (shared,) = detail.values, region.values
    # grad_cam divides the value of a position among its channels; here the whole value multiplies each
    # channel.
    return Found(
        values=(signed * (channels_of(problem) * shared),),
        warnings=tuple(dict.fromkeys((*detail.warnings, *region.warnings))),
    )


ROWS = (
    Method(
        guided_grad_cam,
        title="Guided Grad-CAM",
        aliases=("guided_gradcam", "guidedgradcam"),
        summary="The fine detail of guided backpropagation where the map of Grad-CAM is positive.",
        paper="Selvaraju et al. 2016, arXiv:1610.02391",
        needs=frozenset({"outputs", "gradients", "layers", "backward_rules"}),
        begins_with="units",
        forms_points=False,
        layer="map",
    ),
)
