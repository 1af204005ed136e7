"""Class activation maps: what a layer gives, weighted by what it means for the score, over the input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.algorithms.backward_rules import guided_backprop
from explain.algorithms.gradient import zero_gradient_warnings
from explain.backends.found import Found
from explain.errors import ExplainWarning, ZeroMapWarning
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.running.expansion import expanded_scores
from explain.running.layer_view import activations_of, layered
from explain.running.problem import Problem
from explain.running.resampling import resampled


def grad_cam(problem: Problem) -> Found:
    """Weight each channel of a layer by its mean gradient, and add up what is positive.

    Selvaraju et al., *Grad-CAM*, arXiv:1610.02391.
    """
    units, gradients = _units_and_gradients(problem)
    weights = gradients.mean(axis=_places(units), keepdims=True)
    return _found(problem, (weights * units).sum(axis=-1), gradients)


def grad_cam_plus_plus(problem: Problem) -> Found:
    """Weight each channel by its positive gradients, more where few places have one.

    Chattopadhay et al., *Grad-CAM++*, arXiv:1710.11063. With the exponential of the score the paper's second and
    third derivatives are the second and third power of its gradient, up to a factor that falls out.
    """
    units, gradients = _units_and_gradients(problem)
    places = _places(units)
    square = gradients**2
    below = 2 * square + units.sum(axis=places, keepdims=True) * gradients**3
    shares = np.divide(square, below, out=np.zeros_like(square), where=below != 0)
    weights = (shares * np.maximum(gradients, 0)).sum(axis=places, keepdims=True)
    return _found(problem, (weights * units).sum(axis=-1), gradients)


def guided_grad_cam(problem: Problem) -> Found:
    """Multiply what guided backpropagation finds at each position by the Grad-CAM map there.

    Selvaraju et al., *Grad-CAM*, arXiv:1610.02391, section 3.2: the fine detail of the one where the other, which
    tells classes apart, lights up.
    """
    detail, region = guided_backprop(problem), grad_cam(problem)
    (signed,), (shared,) = detail.values, region.values
    # Every channel of a place has an equal share of its map; here each is multiplied by the whole of it.
    return Found(
        values=(signed * (_channels(problem) * shared),),
        warnings=tuple(dict.fromkeys((*detail.warnings, *region.warnings))),
    )


def layer_cam(problem: Problem) -> Found:
    """Weight each place of each channel by its own positive gradient.

    Jiang et al., *LayerCAM*, IEEE TIP 2021; compared with its kin in arXiv:2309.14304.
    """
    units, gradients = _units_and_gradients(problem)
    return _found(problem, (np.maximum(gradients, 0) * units).sum(axis=-1), gradients)


def score_cam(problem: Problem) -> Found:
    """Weight each channel by the score of the input masked with it; takes no gradient.

    Wang et al., *Score-CAM*, arXiv:1910.01279. A channel's weight is the softmax, over channels, of how far the
    score of the masked input is above that of the baseline.
    """
    assert problem.call is not None
    assert problem.baselines is not None
    layout = problem.call.layout(problem.layout)
    units = layout.to_canonical(activations_of(problem, problem.call, problem.examples))
    masked = _MaskedByChannels(problem.examples.inputs, problem.baselines, units, problem.layout)
    scores = expanded_scores(problem.backend, problem.examples, masked, problem.executor)
    above = scores.astype(np.float64) - problem.scores_at(problem.baselines)[:, np.newaxis]
    shares = np.exp(above - above.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    weights = shares.reshape(len(units), *[1] * (units.ndim - 2), -1)
    return _found(problem, (weights * units).sum(axis=-1))


@dataclass(frozen=True)
class _MaskedByChannels:
    """An expansion: each point keeps of the input what one channel of a layer lights up.

    Parameters
    ----------
    ends, baselines : tuple of numpy.ndarray
        One array, shape (N, ...): the input, and what stands where a channel is dark.
    units : numpy.ndarray
        What the layer gives, batch first and channels last.
    layout : Layout
        Axes of the input, batch first.
    """

    ends: tuple[Array, ...]
    baselines: tuple[Array, ...]
    units: Array
    layout: Layout

    @property
    def n_points(self) -> int:
        """Channels."""
        return int(self.units.shape[-1])

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Mask the input by channels of the layer, each scaled to [0, 1] after it was brought to the input's size."""
        (end,), (base,) = self.ends, self.baselines
        channels = np.moveaxis(self.units[rows, ..., points], -1, 1)
        maps = _over_input(channels.reshape(-1, *channels.shape[2:]), end.shape, self.layout)
        flat = maps.reshape(len(maps), -1)
        least, most = flat.min(axis=1), flat.max(axis=1)
        span = np.where(most > least, most - least, 1)
        shape = (-1, *[1] * (maps.ndim - 1))
        masks = (maps - least.reshape(shape)) / span.reshape(shape)
        count = points.stop - points.start
        start, step = base[rows].repeat(count, axis=0), (end - base)[rows].repeat(count, axis=0)
        return ((start + masks.astype(end.dtype) * step),)


def _units_and_gradients(problem: Problem) -> tuple[Array, Array]:
    """Give what the layer gives and the gradients of the scores to it, batch first and channels last, in float64."""
    call = problem.call
    assert call is not None
    backend, examples = layered(problem), problem.examples
    over = problem.executor.over_rows(
        len(examples), lambda rows: backend.units_and_gradients(call, examples.rows(rows))
    )
    parts = [part for _, part in over]
    layout = call.layout(problem.layout)
    units, gradients = (
        layout.to_canonical(np.concatenate(part)).astype(np.float64) for part in zip(*parts, strict=True)
    )
    return units, gradients


def _places(units: Array) -> tuple[int, ...]:
    """Give the axes of space and time of an array that is batch first and channels last."""
    return tuple(range(1, units.ndim - 1))


def _found(problem: Problem, maps: Array, gradients: Array | None = None) -> Found:
    """Give what is positive of maps, over the input, and tell of those that are zero everywhere."""
    positive = np.maximum(maps, 0)
    notes: tuple[tuple[str, type[ExplainWarning]], ...] = ()
    if gradients is not None:
        notes = zero_gradient_warnings((gradients,))
    dark = ~positive.reshape(len(positive), -1).any(axis=1)
    if gradients is not None:
        # Where there is no gradient that says more.
        dark &= gradients.reshape(len(gradients), -1).any(axis=1)
    empty = np.flatnonzero(dark)
    if empty.size:
        assert problem.call is not None
        text = (
            f"The map is zero everywhere for example{'s' if empty.size > 1 else ''} {empty.tolist()}: nothing that "
            f"layer {problem.call.label!r} gives raises the score there. Explain a class that the model sees in it, "
            "name another layer with layer=, or use a signed method such as integrated_gradients."
        )
        notes = (*notes, (text, ZeroMapWarning))
    return Found(values=(_spread(positive, problem),), warnings=notes)


def _spread(maps: Array, problem: Problem) -> Array:
    """Bring maps over a layer's places to the input's shape; a place's value is shared out equally to its channels."""
    shape = problem.examples.inputs[0].shape
    return np.broadcast_to(_over_input(maps, shape, problem.layout) / _channels(problem), shape)


def _channels(problem: Problem) -> int:
    """Give how many channels a place of the input has."""
    axis = problem.layout.channel_axis
    return 1 if axis is None else int(problem.examples.inputs[0].shape[axis])


def _over_input(maps: Array, shape: tuple[int, ...], layout: Layout) -> Array:
    """Bring (N, places...) maps to the input's extent; of the input's rank, with one channel."""
    extent = [index for index, letter in enumerate(layout.axes) if letter in "TDHW"]
    sizes = [shape[axis] for axis in extent]
    found = resampled(maps, range(1, maps.ndim), sizes)
    return found if layout.channel_axis is None else np.expand_dims(found, layout.channel_axis)
