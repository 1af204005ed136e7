"""LayerCAM: positions of a layer, weighted one by one."""

from __future__ import annotations

import numpy as np

from explain.algorithms.class_activation_map.layer_maps import found_over_input, units_and_gradients
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.running.problem import Problem


def layer_cam(problem: Problem) -> Found:
    """Weight each position of each channel by its own positive gradient.

    Jiang et al., *LayerCAM*, IEEE TIP 2021; compared with similar methods in arXiv:2309.14304.
    """
    units, gradients = units_and_gradients(problem)
    return found_over_input(problem, (np.maximum(gradients, 0) * units).sum(axis=-1), gradients)


ROWS = (
    Method(
        layer_cam,
        title="LayerCAM",
        aliases=("layercam",),
        summary="Where a layer is active and its gradient is positive, position by position.",
        paper="Jiang et al. 2021, IEEE TIP 30; see arXiv:2309.14304",
        needs=frozenset({"outputs", "gradients", "layers"}),
        begins_with="units",
        forms_points=False,
        layer="map",
        drawn="unsigned",
    ),
)
