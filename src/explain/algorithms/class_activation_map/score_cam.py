"""Score-CAM: channels of a layer, weighted by the score of the input masked with each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.algorithms.class_activation_map.layer_maps import found_over_input, over_input, over_places
from explain.algorithms.completeness import baselines_of
from explain.algorithms.method import Method
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.running.expansion import expanded_scores
from explain.running.layer_view import activations_of
from explain.running.problem import Problem


def score_cam(problem: Problem) -> Found:
    """Weight each channel by the score of the input masked with it; takes no gradient.

    Wang et al., *Score-CAM*, arXiv:1910.01279. A channel's weight is the softmax, over channels, of the score
    of the masked input minus the score of the baseline.
    """
    assert problem.call is not None, "the catalogue says that this method needs a layer"
    baselines = baselines_of(problem)
    units = over_places(problem, activations_of(problem, problem.call, problem.examples))
    masked = _MaskedByChannels(problem.examples.inputs, baselines, units, problem.layout)
    scores = expanded_scores(problem.backend, problem.examples, masked, problem.executor)
    above = scores.astype(np.float64) - problem.scores_at(baselines)[:, np.newaxis]
    shares = np.exp(above - above.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    weights = shares.reshape(len(units), *[1] * (units.ndim - 2), -1)
    return found_over_input(problem, (weights * units).sum(axis=-1))


@dataclass(frozen=True)
class _MaskedByChannels:
    """An expansion: each point is the input masked by one channel of a layer.

    Parameters
    ----------
    ends, baselines : tuple of numpy.ndarray
        One array, shape (N, ...): the input, and the values that replace it where a channel is zero.
    units : numpy.ndarray
        The layer's activations, batch first and channels last.
    layout : Layout
        Axes of the input, batch first.
    """

    ends: tuple[Array, ...]
    baselines: tuple[Array, ...]
    units: Array
    layout: Layout

    @property
    def n_points(self) -> int:
        """The number of channels."""
        return int(self.units.shape[-1])

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Mask the input by channels of the layer, each resampled to the input's size and then scaled to [0, 1]."""
        (end,), (base,) = self.ends, self.baselines
        channels = np.moveaxis(self.units[rows, ..., points], -1, 1)
        maps = over_input(channels.reshape(-1, *channels.shape[2:]), end.shape, self.layout)
        flat = maps.reshape(len(maps), -1)
        least, most = flat.min(axis=1), flat.max(axis=1)
        span = np.where(most > least, most - least, 1)
        shape = (-1, *[1] * (maps.ndim - 1))
        masks = (maps - least.reshape(shape)) / span.reshape(shape)
        count = points.stop - points.start
        start, step = base[rows].repeat(count, axis=0), (end - base)[rows].repeat(count, axis=0)
        return ((start + masks.astype(end.dtype) * step),)


ROWS = (
    Method(
        score_cam,
        title="Score-CAM",
        aliases=("scorecam",),
        summary="Where a layer's channels are active, weighted by the score of the input masked with each.",
        paper="Wang et al. 2019, arXiv:1910.01279",
        needs=frozenset({"outputs", "layers"}),
        uses_baseline=True,
        layer="map",
        drawn="unsigned",
    ),
)
