"""Pixel flipping: how far the score falls, step by step, while the places with the largest values are replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.options import whole_number_or_none
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.removal import REFERENCE, SCORE, followed, ranks
from explain.metrics.subject import Subject

# Without a number of places per step, the largest example has this many steps.
_N_STEPS = 32


def pixel_flipping(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the area over the perturbation curve while some places at a time are replaced, the largest first.

    With x⁽ᵏ⁾ the input after k steps and L steps until every place is replaced, the value is
    ``1 / (L + 1) · Σ f(x⁽⁰⁾) − f(x⁽ᵏ⁾)`` over k from 0 to L: the area over the perturbation curve of Samek et al.,
    arXiv:1509.06321, for the flips of Bach et al., *On pixel-wise explanations for non-linear classifier
    decisions by layer-wise relevance propagation*, doi 10.1371/journal.pone.0130140. A place is replaced with all of
    its channels. The curve has f(x⁽ᵏ⁾); its positions are the numbers of places replaced. An example of fewer places
    than others keeps its last score from its own last step on, and only its own steps count.

    Quantus 0.6 leaves x⁽⁰⁾ out of the curve and replaces each channel by itself; its area is under the curve, by
    trapezoids and not divided by the number of steps.
    """
    counts = subject.places.counts
    size = options["places_per_step"] or int(-(-counts.max() // _N_STEPS))
    n_steps = -(-counts // size)
    flipped = size * np.arange(n_steps.max() + 1)

    def kept(row: int) -> npt.NDArray[np.bool_]:
        order = ranks(subject.places.of(row))
        found: npt.NDArray[np.bool_] = order >= flipped[:, np.newaxis]
        return found

    curve, left_out = followed(subject, options, kept, len(flipped))
    left_out |= subject.no_information()
    steps = np.arange(len(flipped)) <= n_steps[:, np.newaxis]
    values = np.where(steps, curve[:, :1] - curve, 0).sum(axis=1) / (n_steps + 1)
    values[list(left_out)] = np.nan
    return Measured(values, curve, np.minimum(flipped, counts.max()).astype(np.float64), left_out=left_out)


ROWS = (
    Metric(
        pixel_flipping,
        summary="The mean drop of the score while the places with the largest values are replaced step by step.",
        paper="Bach et al. 2015, doi 10.1371/journal.pone.0130140; Samek et al. 2017, arXiv:1509.06321",
        better="higher",
        needs=frozenset({"scores"}),
        aliases=("aopc",),
        options=(
            whole_number_or_none(
                "places_per_step",
                f"How many places each step replaces. None: as many as give {_N_STEPS} steps.",
                least=1,
            ),
            REFERENCE,
            SCORE,
        ),
    ),
)
