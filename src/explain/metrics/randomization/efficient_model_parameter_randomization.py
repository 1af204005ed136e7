"""Efficient model parameter randomisation: whether the map becomes more complex when the whole model is random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.options import whole_number
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.places import places_of
from explain.metrics.randomization.random_weights import random_weights
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject


def efficient_model_parameter_randomization(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the relative rise of the complexity of the map when all weights are random: ``(ξ(â) - ξ(a)) / ξ(a)``.

    ξ is the entropy of the histogram of the values of the places, in bins of equal width between the least and the
    greatest of them; â is the map of the model with all weights randomised at once, which takes one explanation where
    `model_parameter_randomization` takes one for each layer.

    A deep network may be so steep at a few places with random weights that its map is less complex: saliency of
    EfficientNet-lite0 gives about -0.9. Compare methods with each other, not with zero.

    Hedström et al., *Sanity checks revisited*, arXiv:2401.06465, section 4.2. The weights are permuted, see
    `explain.metrics.randomization.random_weights.random_weights`. Quantus 0.6 takes the values of each channel of each
    place, not of whole places.
    """
    bins = options["n_bins"]
    left_out = subject.no_information()
    values = np.full(len(subject), np.nan)
    with random_weights(subject) as network:
        network.randomize_all()
        places = places_of(network.explained("every layer"))
        network.check_changed()
    for row in range(len(subject)):
        if row in left_out:
            continue
        before, after = (histogram_entropy(one.of(row), bins) for one in (subject.places, places))
        if np.ptp(places.of(row)) == 0:
            left_out[row] = (
                "With all weights randomised the map is constant: it has no complexity to compare."
            )
        else:
            values[row] = (after - before) / before
    return Measured(values, left_out=left_out)


def histogram_entropy(values: Floats, bins: int) -> float:
    """Give the entropy of the histogram of some values, in nats.

    Examples
    --------
    >>> round(float(histogram_entropy(np.array([0.0, 1.0, 2.0, 3.0]), 4) / np.log(4)), 12)
    1.0
    """
    counts, _ = np.histogram(values, bins)
    shares = counts[counts > 0] / values.size
    return float(-(shares * np.log(shares)).sum())


ROWS = (
    Metric(
        efficient_model_parameter_randomization,
        summary="How far the complexity of the map rises, as a share of it, when all weights are randomised at once.",
        paper="Hedström et al. 2024, arXiv:2401.06465",
        better="higher",
        needs=frozenset({"explanations", "weights"}),
        limits=(-1.0, float("inf")),
        aliases=("emprt",),
        options=(whole_number("n_bins", 100, 2, "In how many bins of equal width the values are counted."),),
        seeded=True,
    ),
)
