"""Every method by its definition, from scores and gradients by hand and NumPy alone.

Each function takes `ByHand` and the options of the call, and gives one array for each result that is moved. The draws
are those that the conventions describe, made here again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage
import torch
from fuzzing.passes import Array, Arrays, ByHand

# --- gradients -------------------------------------------------------------------------------------------------


def saliency(of: ByHand) -> Arrays:
    _, slopes = of.gradients(tuple(one[:, None] for one in of.start()))
    return tuple(one[:, 0] for one in slopes)


def input_x_gradient(of: ByHand) -> Arrays:
    return tuple(x * slope for x, slope in zip(of.start(), saliency(of), strict=True))


def noisy_gradients(of: ByHand, axes: str, n_samples: int, stdevs: float, seed: int) -> Array:
    """Give the gradients at noisy copies of the only input, shape (N, samples, ...)."""
    (x,) = of.start()
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    noise = _in_layout(
        (n_samples, *x.shape[1:]), axes, lambda s: generator.standard_normal(s, dtype=np.float32)
    )
    flat = x.reshape(len(x), -1)
    sigma = (stdevs * (flat.max(1) - flat.min(1))).reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype)
    points = sigma[:, None] * noise + x[:, None]
    return of.gradients((points.astype(x.dtype),))[1][0].astype(np.float64)


def _in_layout(shape: tuple[int, ...], axes: str, draw: Callable[[tuple[int, ...]], Array]) -> Array:
    """Draw channels last, whatever the layout."""
    if "C" not in axes:
        return draw(shape)
    axis = axes.index("C")
    return np.moveaxis(draw((*shape[:axis], *shape[axis + 1 :], shape[axis])), -1, axis)


# --- paths -----------------------------------------------------------------------------------------------------


def nodes_of(rule: str, n_steps: int) -> tuple[Array, Array]:
    """Give the nodes and weights of a rule of integration."""
    k = np.arange(n_steps)
    if rule == "midpoint":
        return (k + 0.5) / n_steps, np.full(n_steps, 1 / n_steps)
    if rule == "riemann_left":
        return k / n_steps, np.full(n_steps, 1 / n_steps)
    if rule == "riemann_right":
        return (k + 1) / n_steps, np.full(n_steps, 1 / n_steps)
    if rule == "trapezoid":
        weights = np.full(n_steps, 1 / (n_steps - 1))
        weights[[0, -1]] /= 2
        return k / (n_steps - 1), weights
    places, weights = np.polynomial.legendre.leggauss(n_steps)
    return (1 + places) / 2, weights / 2


def integrated_gradients(of: ByHand, baselines: Arrays, rule: str, n_steps: int) -> Arrays:
    alphas, weights = nodes_of(rule, n_steps)
    starts = of.start()
    points = tuple(_line(b, x, alphas) for x, b in zip(starts, baselines, strict=True))
    _, slopes = of.gradients(points)
    return tuple(
        (x - b) * np.tensordot(slope, weights, (1, 0))
        for x, b, slope in zip(starts, baselines, slopes, strict=True)
    )


def _line(b: Array, x: Array, alphas: Array) -> Array:
    alphas = alphas.reshape(1, -1, *[1] * (x.ndim - 1)).astype(x.dtype)
    return b[:, None] + alphas * (x - b)[:, None]


def expected_gradients(of: ByHand, references: Arrays, n_samples: int, seed: int) -> Arrays:
    generator = np.random.default_rng(seed)
    count = len(references[0])
    rounds = [generator.permutation(count) for _ in range(-(-n_samples // count))]
    alphas = (np.arange(n_samples) + generator.random(n_samples)) / n_samples
    chosen = np.concatenate(rounds)[:n_samples]
    starts = of.start()
    points, moves = [], []
    for x, r in zip(starts, references, strict=True):
        moves.append(x[:, None] - r[chosen][None])
        points.append(
            r[chosen][None] + alphas.reshape(1, -1, *[1] * (x.ndim - 1)).astype(x.dtype) * moves[-1]
        )
    _, slopes = of.gradients(tuple(points))
    return tuple((move * slope).mean(1) for move, slope in zip(moves, slopes, strict=True))


def blur_integrated_gradients(of: ByHand, axes: str, n_steps: int, max_sigma: float) -> Arrays:
    (x,) = of.start()
    along = [index for index, letter in enumerate(axes) if letter in "TDHW"]

    def blurred(share: float) -> Array:
        sigma, found = (1 + max_sigma) ** share - 1, x.astype(np.float64)
        for axis in along:
            if sigma > 0:
                found = scipy.ndimage.gaussian_filter1d(found, sigma, axis, mode="reflect", truncate=4.0)
        return found

    points = np.stack([blurred((k + 0.5) / n_steps) for k in range(n_steps)], 1).astype(x.dtype)
    moves = np.stack([blurred(k / n_steps) - blurred((k + 1) / n_steps) for k in range(n_steps)], 1)
    return ((of.gradients((points,))[1][0] * moves).sum(1),)


# --- perturbation ----------------------------------------------------------------------------------------------


def kept(of: ByHand, baselines: Arrays, masks: Arrays) -> Array:
    """Give the scores, shape (N, K), where masks in [0, 1], shape (K, ...) or (N, K, ...), keep the input."""
    points = []
    for x, b, mask in zip(of.start(), baselines, masks, strict=True):
        mask = mask.astype(x.dtype)
        mask = mask[None] if mask.ndim == x.ndim else mask
        points.append(b[:, None] + mask * (x - b)[:, None])
    return of.scores(tuple(np.broadcast_to(one, (len(one), *one.shape[1:])) for one in points)).astype(
        np.float64
    )


def occlusion(of: ByHand, baselines: Arrays, window: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Give the mean drop over the windows that cover a position; `window` of the shape of an example."""
    (x,) = of.start()
    sides = x.shape[1:]
    starts = [
        range(0, math.ceil((n - w) / s) * s + 1, s) for n, w, s in zip(sides, window, strides, strict=True)
    ]
    hidden = []
    for corner in itertools.product(*starts):
        mask = np.zeros(sides, bool)
        mask[tuple(slice(c, c + w) for c, w in zip(corner, window, strict=True))] = True
        hidden.append(mask)
    masks = np.stack(hidden)
    whole = of.scores((x[:, None],)).astype(np.float64)
    lost = whole - kept(of, baselines, (~masks,))
    return np.tensordot(lost, masks.astype(float), (1, 0)) / masks.sum(0)


def feature_ablation(of: ByHand, baselines: Arrays, features: Arrays) -> Arrays:
    """Give F(x) − F(x without the feature) at each position; `features` numbers those of an example from 0 on."""
    starts = of.start()
    count = max(int(one.max()) for one in features) + 1
    masks = tuple(
        np.stack([np.broadcast_to(one != k, x.shape[1:]) for k in range(count)])
        for x, one in zip(starts, features, strict=True)
    )
    lost = of.scores(tuple(x[:, None] for x in starts)).astype(np.float64) - kept(of, baselines, masks)
    return tuple(lost[:, np.broadcast_to(one, x.shape[1:])] for x, one in zip(starts, features, strict=True))


def feature_permutation(of: ByHand, features: Array, seed: int) -> Array:
    (x,) = of.start()
    count, places = int(features.max()) + 1, np.broadcast_to(features, x.shape[1:])
    generator = np.random.default_rng(seed)
    order = np.arange(len(x))
    drawn = np.tile(order, (count, 1))
    while (idle := (drawn == order).all(axis=1)).any():
        drawn[idle] = generator.permuted(drawn[idle], axis=1)
    points = np.stack([np.where(places == k, x[drawn[k]], x) for k in range(count)], 1)
    lost = of.scores((x[:, None],)).astype(np.float64) - of.scores((points,))
    return lost[:, places]


def rise(of: ByHand, baselines: Arrays, axes: str, n_masks: int, cells: int, seed: int) -> Array:
    (x,) = of.start()
    along = [index for index, letter in enumerate(axes) if letter in "TDHW"] or list(range(1, x.ndim))
    sides = [x.shape[axis] for axis in along]
    counts = [min(cells, side) if set(axes) & set("TDHW") else side for side in sides]
    masks = []
    for group in range(-(-n_masks // 64)):
        generator = np.random.default_rng((seed, group))
        drawn = (generator.random((64, *counts)) < 0.5).astype(float)
        shifts = generator.random((64, len(counts)))
        for one, shift in zip(drawn, shifts, strict=True):
            for axis, (side, n_cells) in enumerate(zip(sides, counts, strict=True)):
                if n_cells < side:
                    one = _enlarged(one, axis, side, n_cells, shift[axis])
            masks.append(one)
    shape = [x.shape[axis] if axis in along else 1 for axis in range(1, x.ndim)]
    formed = np.stack(masks[:n_masks]).astype(x.dtype).reshape(n_masks, *shape)
    scores = kept(of, baselines, (formed,))
    centred = scores - scores.mean(1, keepdims=True)
    formed = formed.astype(np.float64)
    return np.broadcast_to(np.tensordot(centred, formed, (1, 0)) / formed.sum(0), x.shape)


def _enlarged(mask: Array, axis: int, side: int, cells: int, shift: float) -> Array:
    """Enlarge one axis to one cell more than its side by linear interpolation, and cut the side out at a shift."""
    extent = math.ceil(side / cells)
    whole = torch.nn.functional.interpolate(
        torch.tensor(np.moveaxis(mask, axis, -1).reshape(1, -1, cells)),
        size=(cells + 1) * extent,
        mode="linear",
    ).numpy()
    start = int(shift * extent)
    found = whole[0, :, start : start + side]
    rest = [size for index, size in enumerate(mask.shape) if index != axis]
    return np.moveaxis(found.reshape(*rest, side), -1, axis)


def shapley_values(of: ByHand, baselines: Arrays, features: Arrays) -> Arrays:
    """Give the exact Shapley values, from the scores of every coalition."""
    starts = of.start()
    count = max(int(one.max()) for one in features) + 1
    coalitions = np.array(list(itertools.product((0, 1), repeat=count)), float)
    scores = kept(of, baselines, _masks(coalitions, starts, features))
    by_coalition = {tuple(one.astype(int)): index for index, one in enumerate(coalitions)}
    values = np.zeros((len(starts[0]), count))
    for coalition, index in by_coalition.items():
        size = sum(coalition)
        for k in range(count):
            if not coalition[k]:
                more = by_coalition[(*coalition[:k], 1, *coalition[k + 1 :])]
                weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
                values[:, k] += weight * (scores[:, more] - scores[:, index])
    return tuple(
        values[:, np.broadcast_to(one, x.shape[1:])] for x, one in zip(starts, features, strict=True)
    )


def shapley_value_sampling(
    of: ByHand, baselines: Arrays, features: Arrays, n_samples: int, seed: int
) -> Arrays:
    starts = of.start()
    count = max(int(one.max()) for one in features) + 1
    generator = np.random.default_rng((seed, count))
    orders = generator.permuted(np.tile(np.arange(count), (n_samples, 1)), axis=1)
    values = np.zeros((len(starts[0]), count))
    for order in orders:
        coalitions = np.zeros((count + 1, count))
        for step, feature in enumerate(order):
            coalitions[step + 1 :, feature] = 1
        scores = kept(of, baselines, _masks(coalitions, starts, features))
        values[:, order] += np.diff(scores, axis=1) / n_samples
    return tuple(
        values[:, np.broadcast_to(one, x.shape[1:])] for x, one in zip(starts, features, strict=True)
    )


def _masks(coalitions: Array, starts: Arrays, features: Arrays) -> Arrays:
    return tuple(
        coalitions[:, np.broadcast_to(one, x.shape[1:])] for x, one in zip(starts, features, strict=True)
    )


def lime(of: ByHand, baselines: Arrays, features: Array, n_samples: int, alpha: float, seed: int) -> Array:
    """The ridge, by its normal equations, or least squares for alpha = 0."""
    (x,), (b,) = of.start(), baselines
    count, places = int(features.max()) + 1, np.broadcast_to(features, x.shape[1:])
    presence = np.random.default_rng((seed, count)).integers(2, size=(n_samples, count)).astype(float)
    masks = presence[:, places]
    scores = kept(of, baselines, (masks,))
    values = np.zeros((len(x), count))
    for row in range(len(x)):
        formed = (b[row] + masks * (x[row] - b[row])).reshape(n_samples, -1).astype(np.float64)
        own = x[row].reshape(-1).astype(np.float64)
        norms = np.linalg.norm(formed, axis=1) * np.linalg.norm(own)
        likeness = np.divide(formed @ own, norms, out=np.zeros(n_samples), where=norms > 0)
        weights = np.exp(-((1 - likeness) ** 2) / 2)
        share = weights / weights.sum()
        centred, lost = presence - share @ presence, scores[row] - share @ scores[row]
        normal = centred.T @ (weights[:, None] * centred) + alpha * np.eye(count)
        values[row] = np.linalg.lstsq(normal, centred.T @ (weights * lost), rcond=None)[0]
    return values[:, places]


# --- layers ----------------------------------------------------------------------------------------------------


def activation(of: ByHand, node: int) -> Array:
    return of.case.passes.results(of.case.inputs)[node]


def conductance(of: ByHand, baselines: Arrays, node: int, rule: str, n_steps: int) -> Array:
    """Sum, over the steps of the path of the input, the gradient to a unit at the start times the unit's change."""
    alphas, _ = nodes_of(rule, n_steps + 1)
    points = tuple(_line(b, x, alphas) for x, b in zip(of.start(), baselines, strict=True))
    _, (slopes,) = of.gradients(points, to=(node,))
    flat = {index: one.reshape(-1, *one.shape[2:]) for index, one in zip(of.nodes, points, strict=True)}
    rows = np.arange(len(points[0])).repeat(len(alphas))
    units = of.case.passes.results(tuple(one[rows] for one in of.case.inputs), flat)[node]
    units = units.reshape(slopes.shape)
    return (slopes[:, :-1] * np.diff(units, axis=1)).sum(1)


def units_and_gradients(of: ByHand, node: int, channel_axis: int) -> tuple[Array, Array]:
    """Give a layer's output and the gradient to it, channels last, float64."""
    _, (slopes,) = of.gradients(tuple(one[:, None] for one in of.start()), to=(node,))
    units = activation(of, node)
    units, slopes = (np.moveaxis(one, channel_axis, -1).astype(np.float64) for one in (units, slopes[:, 0]))
    return units, slopes


def cam(of: ByHand, method: str, node: int, channel_axis: int, axes: str, baselines: Arrays) -> Array:
    """Give the map of a layer in the shape of the input."""
    units, slopes = units_and_gradients(of, node, channel_axis)
    places = tuple(range(1, units.ndim - 1))
    if method == "grad_cam":
        weights = slopes.mean(places, keepdims=True)
    elif method == "layer_cam":
        weights = np.maximum(slopes, 0)
    elif method == "grad_cam_plus_plus":
        below = 2 * slopes**2 + units.sum(places, keepdims=True) * slopes**3
        shares = np.divide(slopes**2, below, out=np.zeros_like(below), where=below != 0)
        weights = (shares * np.maximum(slopes, 0)).sum(places, keepdims=True)
    else:
        weights = _score_cam_weights(of, units, axes, baselines)
    return over_input(np.maximum((weights * units).sum(-1), 0), of.start()[0], axes)


def _score_cam_weights(of: ByHand, units: Array, axes: str, baselines: Arrays) -> Array:
    (x,), (b,) = of.start(), baselines
    masks = []
    for channel in range(units.shape[-1]):
        resized = _resized(units[..., channel], x, axes)
        flat = resized.reshape(len(x), -1)
        least, span = flat.min(1), np.ptp(flat, axis=1)
        shape = (-1, *[1] * (resized.ndim - 1))
        masks.append((resized - least.reshape(shape)) / np.where(span > 0, span, 1).reshape(shape))
    scores = kept(of, (b,), (np.stack(masks, 1),))
    above = scores - of.scores((b[:, None],))
    shares = np.exp(above - above.max(1, keepdims=True))
    return (shares / shares.sum(1, keepdims=True)).reshape(len(x), *[1] * (units.ndim - 2), -1)


def _resized(maps: Array, x: Array, axes: str) -> Array:
    """Resize maps (N, places…) to the places of the input, with a channel axis of length one where it has one."""
    sides = [x.shape[index] for index, letter in enumerate(axes) if letter in "TDHW"]
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(sides)]
    found = torch.nn.functional.interpolate(
        torch.tensor(maps[:, None]), size=sides, mode=mode, align_corners=False
    ).numpy()[:, 0]
    return np.expand_dims(found, axes.index("C")) if "C" in axes else found


def over_input(maps: Array, x: Array, axes: str) -> Array:
    channels = x.shape[axes.index("C")] if "C" in axes else 1
    return np.broadcast_to(_resized(maps, x, axes) / channels, x.shape)


# --- backward rules ----------------------------------------------------------------------------------------------


def guided(of: ByHand, method: str) -> Arrays:
    """Guided backpropagation or deconvolution: another gradient at each ReLU."""
    passes = of.case.passes
    zero = lambda r: r * 0  # noqa: E731

    def positive(r: Any) -> Any:
        return passes.where(r > 0, r, zero(r))

    def pointwise(name: str, z: Any) -> Any:
        forward = passes.functions[name]
        if name not in ("relu", "relu6"):
            return forward(z)

        def backward(operand: Any, incoming: Any) -> Any:
            if method == "deconvolution":
                return positive(incoming)
            passed = passes.where(operand > 0, positive(incoming), zero(incoming))
            return passes.where(operand < 6, passed, zero(incoming)) if name == "relu6" else passed

        return passes.with_gradient(forward, backward)(z)

    return tuple(
        one[:, 0] for one in of.gradients(tuple(x[:, None] for x in of.start()), pointwise=pointwise)[1]
    )


def deep_lift(of: ByHand, baselines: Arrays) -> Arrays:
    """The rescale rule, for models of affine and pointwise operations: slopes between the input and the baseline."""
    passes, starts = of.case.passes, of.start()
    there: list[Any] = []

    def recorded(name: str, z: Any) -> Any:
        there.append(passes.detach(z))
        return passes.functions[name](z)

    of.gradients(
        tuple(np.broadcast_to(b, x.shape)[:, None] for x, b in zip(starts, baselines, strict=True)),
        (),
        recorded,
    )
    at_baseline = iter(there)

    def pointwise(name: str, z: Any) -> Any:
        function, base = passes.functions[name], next(at_baseline)
        apart = abs(z - base) > 1e-7
        step = passes.where(apart, z - base, z * 0 + 1)
        slope = passes.detach((function(z) - function(base)) / step)
        straight = slope * z + passes.detach(function(z) - slope * z)
        return passes.where(apart, straight, function(z))

    _, slopes = of.gradients(tuple(x[:, None] for x in starts), pointwise=pointwise)
    return tuple((x - b) * slope[:, 0] for x, b, slope in zip(starts, baselines, slopes, strict=True))


def lrp_epsilon(of: ByHand) -> Arrays:
    """The ε-rule with ε near zero: a ratio of relevance and value that sums hand on as they are.

    A sum hands on to each term its share, so that the ratio of a term is that of the sum, times the weight: a
    gradient. Where one value comes out of one, it keeps its relevance: the slope is f(z) / z. A gate gets nothing.
    """
    passes = of.case.passes

    def pointwise(name: str, z: Any) -> Any:
        value = passes.functions[name](z)
        safe = passes.where(z == 0, z * 0 + 1, z)
        shared = z * passes.detach(value / safe)
        # At z = 0 the product is not the value, which the operations behind it read.
        return shared + passes.detach(value - shared)

    starts = of.start()
    _, slopes = of.gradients(tuple(x[:, None] for x in starts), pointwise=pointwise, gate=passes.detach)
    return tuple(x * slope[:, 0] for x, slope in zip(starts, slopes, strict=True))
