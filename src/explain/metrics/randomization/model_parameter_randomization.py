"""Model parameter randomisation: whether the map changes when the weights of the model become random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.options import one_of
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.places import places_of
from explain.metrics.randomization.map_similarity import SIMILARITY, check_similarity, similarity_of
from explain.metrics.randomization.random_weights import random_weights
from explain.metrics.subject import Subject
from explain.public_calls.progress import counted_each


def model_parameter_randomization(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the similarity of the map to the maps of models whose layers are randomised one after another.

    A map that stays alike although the weights are random does not explain them. The point k of the curve is the
    similarity of the sizes of the places, ``|a|`` and ``|a_k|``, after k layers are randomised: from the output down,
    from the input up, or each layer alone. The value is the mean over the layers, or the last point alone: of a cascade
    it compares with a wholly random model, whatever the order.

    Adebayo et al., *Sanity checks for saliency maps*, arXiv:1810.03292, section 3. Their weights are drawn as at the
    start of training; ours are permuted, see `explain.metrics.randomization.random_weights.random_weights`. They show
    the curve and no mean. Quantus 0.6 compares ``|a|`` of each channel of each place, not of whole places, and its mean
    counts the similarity of the map to itself, 1, as a layer.
    """
    similarity, order = options["similarity"], options["order"]
    check_similarity(subject, similarity)
    left_out = subject.no_information()
    own = [np.abs(subject.places.of(row)) for row in range(len(subject))]
    with random_weights(subject) as network:
        positions = list(range(len(network.labels)))
        if order == "top_down":
            positions.reverse()
        curve = np.full((len(subject), len(positions)), np.nan)
        labels = tuple(network.labels[position] for position in positions)
        for point, position in enumerate(counted_each(positions, "layers")):
            if order == "independent":
                with network.preserved():
                    network.randomize(position)
                    found = network.explained(repr(labels[point]))
            else:
                network.randomize(position)
                found = network.explained(repr(labels[point]))
            places = places_of(found)
            for row, sizes in enumerate(own):
                now = np.abs(places.of(row))
                curve[row, point] = similarity_of(sizes, now, similarity, places.shape)
                if np.isnan(curve[row, point]) and row not in left_out:
                    left_out[row] = (
                        f"With {labels[point]!r} randomised all places have the same size: there is nothing to compare."
                    )
        network.check_changed()
    values = np.full(len(subject), np.nan)
    kept = [row for row in range(len(subject)) if row not in left_out]
    values[kept] = curve[kept, -1] if options["aggregate"] == "last" else curve[kept].mean(axis=1)
    return Measured(values, curve, labels=labels, left_out=left_out)


ROWS = (
    Metric(
        model_parameter_randomization,
        summary="How alike the map stays while the layers of the model are randomised one after another.",
        paper="Adebayo et al. 2018, arXiv:1810.03292",
        better="lower",
        needs=frozenset({"explanations", "weights"}),
        limits=(-1.0, 1.0),
        aliases=("mprt",),
        options=(
            one_of(
                "order",
                "top_down",
                ("top_down", "bottom_up", "independent"),
                "Which layers are random: all from the output down to one, all from the input up to one, or one alone.",
            ),
            SIMILARITY,
            one_of(
                "aggregate",
                "mean",
                ("mean", "last"),
                "What the value is: the mean over the layers, or the last, at which a cascade has all layers random.",
            ),
        ),
        seeded=True,
    ),
)
