"""Local Lipschitz estimate: how steeply the map changes with the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.robustness.neighbours import N_SAMPLES, RADIUS, distances, worst
from explain.metrics.subject import Subject


def local_lipschitz(subject: Subject, options: Mapping[str, Any]) -> Measured:
    r"""Give the greatest change of the map per change of the input, over perturbed inputs near each example.

    .. math:: \max_{\|x' - x\|_\infty \le r} \|\Phi(x') - \Phi(x)\|_2 \,/\, \|x' - x\|_2

    over K inputs x' whose values are drawn uniformly within r of those of x: a lower bound of the constant. The unit is
    that of the map by that of the input, so methods can be compared only if their maps have the same. Alvarez-Melis &
    Jaakkola, *On the robustness of interpretability methods*, arXiv:1806.08049, where an optimizer searches for x'.
    Quantus 0.6 draws normal noise, and by default divides both maps by maxima of their own batches.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    options : Mapping
        ``radius`` and ``n_samples``.

    Returns
    -------
    Measured
        Values of shape (N,).
    """
    found = distances(subject, options["radius"], options["n_samples"])
    ratios = np.divide(found.maps, found.inputs, out=np.zeros_like(found.maps), where=found.inputs > 0)
    return Measured(worst(ratios, found.left_out), left_out=found.left_out)


ROWS = (
    Metric(
        local_lipschitz,
        title="local Lipschitz estimate",
        summary="The greatest change of the map per change of the input, near the input.",
        paper="Alvarez-Melis & Jaakkola 2018, arXiv:1806.08049",
        better="lower",
        needs=frozenset({"explanations"}),
        limits=(0.0, float("inf")),
        aliases=("local_lipschitz_estimate", "lipschitz"),
        options=(RADIUS, N_SAMPLES),
        takes_token_ids=False,
        seeded=True,
    ),
)
