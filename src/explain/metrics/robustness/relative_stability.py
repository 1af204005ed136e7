"""Relative input stability and relative output stability: the map's relative change per change of input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.options import positive
from explain.inputs.examples import Array
from explain.inputs.target import predicted_classes
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.robustness.neighbours import (
    EPS_MIN,
    N_SAMPLES,
    RADIUS,
    distances,
    perturbed_inputs,
    worst,
)
from explain.metrics.subject import Subject


def relative_input_stability(subject: Subject, options: Mapping[str, Any]) -> Measured:
    r"""Give the greatest relative change of the map per relative change of the input.

    .. math:: \max_{x'} \Big\| \frac{\Phi(x) - \Phi(x')}{\Phi(x)} \Big\|_2 \Big/
              \max\Big( \Big\| \frac{x - x'}{x} \Big\|_2, \varepsilon_{min} \Big)

    with divisions value by value, over those of K inputs near x for which the model predicts the same class; for a
    model without classes over all of them. Agarwal et al., *Rethinking stability for attribution-based explanations*,
    arXiv:2203.06877. Where a value of the map or of the input is exactly zero, which the paper does not
    define, eps_min takes its place, as in Quantus 0.6: a map with zeros that become other numbers has a great value.
    Quantus 0.6 gives NaN as soon as one input has another class, and its noise is only positive.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    options : Mapping
        ``radius``, ``n_samples`` and ``eps_min``.

    Returns
    -------
    Measured
        Values of shape (N,).
    """
    found = distances(subject, options["radius"], options["n_samples"], options["eps_min"])
    same, _ = _predictions(subject, options)
    return _measured(found.relative_maps, found.relative_inputs, same, options, found.left_out)


def relative_output_stability(subject: Subject, options: Mapping[str, Any]) -> Measured:
    r"""Give the greatest relative change of the map per change of the model's outputs.

    .. math:: \max_{x'} \Big\| \frac{\Phi(x) - \Phi(x')}{\Phi(x)} \Big\|_2 \Big/
              \max( \| h(x) - h(x') \|_2, \varepsilon_{min} )

    over the same inputs as `relative_input_stability`, where h(x) are all outputs of the kind that was explained:
    logits, unless ``score=`` said otherwise. Agarwal et al., *Rethinking stability for attribution-based explanations*,
    arXiv:2203.06877, with logits. Quantus 0.6 gives NaN as soon as one input has another class.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    options : Mapping
        ``radius``, ``n_samples`` and ``eps_min``.

    Returns
    -------
    Measured
        Values of shape (N,).
    """
    found = distances(subject, options["radius"], options["n_samples"], options["eps_min"])
    same, of_outputs = _predictions(subject, options)
    return _measured(found.relative_maps, of_outputs, same, options, found.left_out)


def _measured(
    of_maps: Floats,
    others: Floats,
    same: npt.NDArray[np.bool_],
    options: Mapping[str, Any],
    without: Mapping[int, str],
) -> Measured:
    ratios = np.where(same, of_maps / np.maximum(others, options["eps_min"]), -np.inf)
    changed = np.flatnonzero(~same.any(axis=1))
    left_out = {int(row): "Every perturbed input is predicted as another class." for row in changed} | dict(
        without
    )
    return Measured(worst(ratios, left_out), left_out=left_out)


def _predictions(subject: Subject, options: Mapping[str, Any]) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Give which perturbed inputs keep the predicted class, and how far their outputs moved, each of shape (N, K)."""
    count, n_samples = len(subject), options["n_samples"]
    key = np.asarray(options["radius"], np.float64).tobytes(), np.shape(options["radius"]), n_samples
    kept = subject.shared.get(__name__)
    if kept is None or kept[0] != key:
        with subject.opened() as model:
            points = _WithPerturbed(subject, options["radius"], n_samples + 1, model.inputs.dtype)
            outputs = model.outputs_of(points)
        classes = predicted_classes(outputs.reshape(count * (n_samples + 1), *outputs.shape[2:]))
        same = np.ones((count, n_samples), bool)
        if classes is not None:
            of_example = classes.reshape(count, -1)
            same = of_example[:, 1:] == of_example[:, :1]
        flat = outputs.reshape(count, n_samples + 1, -1)
        kept = key, same, np.linalg.norm(flat[:, 1:] - flat[:, :1], axis=2)
        subject.shared[__name__] = kept
    return kept[1], kept[2]


@dataclass(frozen=True)
class _WithPerturbed:
    """An expansion: the first point of each example is the example itself, the others are perturbed."""

    subject: Subject
    radius: Any
    n_points: int
    dtype: np.dtype[Any]

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        formed = [
            np.concatenate(
                [
                    self.subject.inputs[[row]],
                    perturbed_inputs(self.subject, row, self.radius, self.n_points - 1),
                ]
            )[points]
            for row in range(rows.start, rows.stop)
        ]
        return (np.concatenate(formed).astype(self.dtype),)


_OPTIONS = (
    RADIUS,
    N_SAMPLES,
    positive(
        "eps_min", EPS_MIN, "The least denominator, and what takes the place of a zero in relative changes."
    ),
)

ROWS = (
    Metric(
        relative_input_stability,
        summary="The greatest relative change of the map per relative change of the input.",
        paper="Agarwal et al. 2022, arXiv:2203.06877",
        better="lower",
        needs=frozenset({"explanations", "scores"}),
        limits=(0.0, float("inf")),
        aliases=("ris",),
        options=_OPTIONS,
        takes_token_ids=False,
        seeded=True,
    ),
    Metric(
        relative_output_stability,
        summary="The greatest relative change of the map per change of the model's outputs.",
        paper="Agarwal et al. 2022, arXiv:2203.06877",
        better="lower",
        needs=frozenset({"explanations", "scores"}),
        limits=(0.0, float("inf")),
        aliases=("ros",),
        options=_OPTIONS,
        takes_token_ids=False,
        seeded=True,
    ),
)
