"""What each method is by its definition, computed with plain passes and NumPy; nothing here imports `explain`.

A reference is one array per explained input, of the input's shape (ids: one number a token), batch first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from architectures.grids import GRIDS, OF_FIRST_ALONE, Grid
from architectures.passes import Array, Part, Passes
from scipy.ndimage import map_coordinates

STEPS, SAMPLES, NODES, ASCENTS = 8, 4, 4, 3
BOUNDS = (-4.0, 4.0)
# What `attribute` gets besides, so that the same numbers are asked of both.
OPTIONS: dict[str, dict[str, Any]] = {
    "smoothgrad": {"n_samples": SAMPLES},
    "integrated_gradients": {"n_steps": STEPS, "rule": "gauss_legendre"},
    "expected_gradients": {"n_samples": SAMPLES},
    "lrp": {"rule": "epsilon"},
    "conductance": {"n_steps": NODES},
    "kernel_shap": {"n_samples": 16},
    "activation_maximization": {
        "n_steps": ASCENTS,
        "bounds": BOUNDS,
        "jitter": 0,
        "l2_weight": 0.0,
        "tv_weight": 0.0,
    },
}
SUMMED, NORM, MEAN = "summed over the vector", "the vector's length", "the whole token"


def of_ids(part: Part, values: Array, how: str) -> Array:
    """One number a token from the values at its vector."""
    if part.embedding is None:
        return values
    if how is NORM:
        return np.sqrt(np.square(values.astype(np.float64)).sum(-1))
    return values.sum(-1) if how is SUMMED else values.mean(-1)


def by_input(passes: Passes, values: list[Array], how: str) -> dict[Any, Array]:
    """One array an input: where several embeddings read one, norms join and sums add up."""
    found: dict[Any, Array] = {}
    for part, one in zip(passes.parts, values, strict=True):
        mine = of_ids(part, one, how)
        if part.key not in found:
            found[part.key] = mine
        elif how is NORM:
            found[part.key] = np.hypot(found[part.key], mine)
        elif how is SUMMED:
            found[part.key] = found[part.key] + mine
    return found


def baselines(passes: Passes) -> list[Array]:
    """Zeros; of ids the vectors of the padding token, which is 0 unless the embedding names another."""
    found = []
    for part in passes.parts:
        if part.embedding is None:
            found.append(np.zeros_like(part.start))
            continue
        (ids,) = [array for key, array in passes.every_input() if key == part.key]
        token = padding_of(passes, part.embedding)
        found.append(passes.vectors(part.embedding, part.key, np.full_like(ids, token)))
    return found


def padding_of(passes: Passes, name: str) -> int:
    if passes.architecture.framework != "torch":
        return 0
    index = getattr(passes.model.get_submodule(name), "padding_idx", None)
    return 0 if index is None else int(index)


def spread(passes: Passes, make: Callable[[Array, int], Array], count: int) -> tuple[list[Array], Array]:
    """`count` points for each example: `make(start, part)` gives (N, count, ...)."""
    points = [make(part.start, index) for index, part in enumerate(passes.parts)]
    rows = np.repeat(passes.rows, count)
    return [one.reshape(-1, *one.shape[2:]).astype(passes.dtype) for one in points], rows


def saliency(passes: Passes) -> dict[Any, Array]:
    return by_input(passes, passes.gradients(passes.starts, passes.rows), NORM)


def guided_backprop(passes: Passes) -> dict[Any, Array]:
    return by_input(passes, passes.gradients(passes.starts, passes.rows, rectified=True), NORM)


def input_x_gradient(passes: Passes) -> dict[Any, Array]:
    gradients = passes.gradients(passes.starts, passes.rows)
    return by_input(passes, [g * s for g, s in zip(gradients, passes.starts, strict=True)], SUMMED)


def smoothgrad(passes: Passes, channels: int = -1) -> dict[Any, Array]:
    """The mean gradient at the example with noise added, of the documented size and draws.

    The noise is drawn with the channels last, and `channels` is their axis in an example.
    """
    generator = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(0,)))
    # What several embeddings give for one input is one vector.
    inputs: dict[Any, list[int]] = {}
    for index, part in enumerate(passes.parts):
        inputs.setdefault(part.key, []).append(index)
    whole = {
        key: np.concatenate([passes.starts[one] for one in mine], axis=-1) for key, mine in inputs.items()
    }
    sizes = [math.prod(one.shape[1:]) for one in whole.values()]
    flat = generator.standard_normal((SAMPLES, sum(sizes)), dtype=np.float32)
    noise: dict[int, Array] = {}
    for (key, mine), piece in zip(inputs.items(), np.split(flat, np.cumsum(sizes)[:-1], axis=1), strict=True):
        start = whole[key]
        shape = start.shape[1:]
        if 0 <= channels < len(shape) - 1 and passes.parts[mine[0]].embedding is None:
            places = (*shape[:channels], *shape[channels + 1 :])
            drawn = np.moveaxis(piece.reshape(SAMPLES, *places, shape[channels]), -1, 1 + channels)
        else:
            drawn = piece.reshape(SAMPLES, *shape)
        axes = tuple(range(1, start.ndim))
        scale = 0.15 * (start.max(axes, keepdims=True) - start.min(axes, keepdims=True))
        widths = np.cumsum([passes.starts[one].shape[-1] for one in mine])[:-1]
        noise.update(zip(mine, np.split(scale[:, None] * drawn[None], widths, axis=-1), strict=True))

    def make(start: Array, index: int) -> Array:
        return start[:, None] + noise[index]

    points, rows = spread(passes, make, SAMPLES)
    gradients = passes.gradients(points, rows)
    means = [one.reshape(passes.count, SAMPLES, *one.shape[1:]).mean(1) for one in gradients]
    return by_input(passes, means, NORM)


def integrated_gradients(passes: Passes) -> dict[Any, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    nodes, weights = (nodes + 1) / 2, weights / 2
    bases = baselines(passes)

    def make(start: Array, index: int) -> Array:
        alphas = nodes.reshape(1, -1, *([1] * (start.ndim - 1)))
        return bases[index][:, None] + alphas * (start - bases[index])[:, None]

    points, rows = spread(passes, make, STEPS)
    values = []
    for one, start, base in zip(passes.gradients(points, rows), passes.starts, bases, strict=True):
        by_node = one.reshape(passes.count, STEPS, *one.shape[1:])
        values.append((start - base) * np.einsum("ns...,s->n...", by_node, weights))
    return by_input(passes, values, SUMMED)


def expected_gradients(passes: Passes) -> dict[Any, Array]:
    """Each sample's reference and place on the line are NumPy's, by the documented draws."""
    generator = np.random.default_rng(0)
    count = len(passes.rows)
    rounds = [generator.permutation(count) for _ in range(-(-SAMPLES // count))]
    chosen = np.concatenate(rounds)[:SAMPLES]
    alphas = (np.arange(SAMPLES) + generator.random(SAMPLES)) / SAMPLES

    def make(start: Array, index: int) -> Array:
        references = reference_examples(start)[chosen][None]
        along = alphas.reshape(1, -1, *([1] * (start.ndim - 1)))
        return references + along * (start[:, None] - references)

    points, rows = spread(passes, make, SAMPLES)
    values = []
    for one, start in zip(passes.gradients(points, rows), passes.starts, strict=True):
        references = reference_examples(start)[chosen][None]
        by_sample = one.reshape(passes.count, SAMPLES, *one.shape[1:])
        values.append(((start[:, None] - references) * by_sample).mean(1))
    return by_input(passes, values, SUMMED)


def reference_examples(x: Array) -> Array:
    """As many reference examples as there are examples: each one's mirror image."""
    return (0.5 * x[::-1]).astype(x.dtype)


def layout_of(passes: Passes) -> str:
    """The axes of the input, as the architecture's own code reads them."""
    by_name = {
        "Audio Spectrogram Transformer": "NHW",
        "Whisper encoder": "NCT",
        "Wav2Vec2 (weight-normalised)": "NT",
        "TCN (weight-normalised)": "NCT",
        "MinCut pooling of graphs": "NTC",
    }
    architecture = passes.architecture
    if architecture.name in by_name:
        return by_name[architecture.name]
    first = architecture.framework == "torch"
    return {
        "vision": "NCHW" if first else "NHWC",
        "video": "NTCHW",
        "volume": "NCDHW" if first else "NDHWC",
        "series": "NTC",
        "audio": "NTC",
        "table": "NC",
        "graph": "NC",
        "several": "NCHW",
    }[architecture.domain]


def windows(passes: Passes, index: int) -> tuple[Array, tuple[int, ...]] | None:
    """The windows of occlusion over one input, (windows, positions…), and the strides that are given."""
    part = passes.parts[index]
    if part.embedding is not None:
        return np.eye(part.start.shape[1], dtype=bool) if part.start.ndim == 3 else np.ones((1,), bool), ()
    layout, shape = layout_of(passes)[1:], part.start.shape[1:]
    extents = [
        side if letter == "C" and len(layout) > 1 else -(-side // 8) if letter in "DHW" else 1
        for letter, side in zip(layout, shape, strict=True)
    ]
    video = passes.architecture.domain == "video"
    strides = [max(1, extent // 2) if video else extent for extent in extents]
    starts = [
        range(0, max(side - extent, 0) + stride, stride)
        for side, extent, stride in zip(shape, extents, strides, strict=True)
    ]
    masks = []
    for corner in product(*starts):
        mask = np.zeros(shape, bool)
        mask[tuple(slice(a, a + e) for a, e in zip(corner, extents, strict=True))] = True
        masks.append(mask)
    return np.stack(masks), tuple(strides)


def scores_without(passes: Passes, hidden: list[Array]) -> Array:
    """F with what `hidden` (N, points, positions…) marks in each input at the baseline, (N, points)."""
    bases = baselines(passes)
    count = hidden[0].shape[1]

    def make(start: Array, index: int) -> Array:
        mask = hidden[index].reshape(*hidden[index].shape, *([1] * (start.ndim + 1 - hidden[index].ndim)))
        return np.where(mask, bases[index][:, None], start[:, None])

    points, rows = spread(passes, make, count)
    return passes.scores(points, rows).reshape(passes.count, count)


def occlusion(passes: Passes) -> dict[Any, Array]:
    """The mean loss of the score over the windows that hide a position, each input with the others as they are."""
    whole = passes.scores(passes.starts, passes.rows)
    found: dict[Any, Array] = {}
    for key in dict.fromkeys(part.key for part in passes.parts):
        mine = [index for index, part in enumerate(passes.parts) if part.key == key]
        masks, _ = windows(passes, mine[0])
        hidden = []
        for index, part in enumerate(passes.parts):
            shape = (
                masks.shape[1:]
                if index in mine
                else part.start.shape[1 : None if part.embedding is None else -1]
            )
            chosen = masks if index in mine else np.zeros((len(masks), *shape), bool)
            hidden.append(np.broadcast_to(chosen, (passes.count, *chosen.shape)))
        lost = whole[:, None] - scores_without(passes, hidden)
        cover = masks.reshape(len(masks), -1).astype(float)
        values = lost @ cover / cover.sum(0)
        shape = (
            ()
            if passes.parts[mine[0]].start.ndim == 2 and passes.parts[mine[0]].embedding
            else masks.shape[1:]
        )
        found[key] = values.reshape(passes.count, *shape)
    return found


def thirds(passes: Passes, part: Part, features: int) -> Array:
    """A feature a position, in `features` runs along the flattened positions."""
    shape = part.start.shape[1 : None if part.embedding is None else -1]
    size = math.prod(shape)
    return (np.arange(size) * features // size).reshape(shape)


def feature_masks(passes: Passes) -> dict[Any, Array]:
    """Four features in all, numbered through over the inputs."""
    keys = list(dict.fromkeys(part.key for part in passes.parts))
    each = max(1, 4 // len(keys))
    found = {}
    for number, key in enumerate(keys):
        part = next(one for one in passes.parts if one.key == key)
        found[key] = number * each + thirds(passes, part, each)
    return found


def _presence(passes: Passes, coalitions: Array) -> list[Array]:
    """What each coalition hides in each input, (N, coalitions, positions…)."""
    masks = feature_masks(passes)
    return [
        np.broadcast_to(
            ~coalitions[:, masks[part.key].reshape(-1)].reshape(len(coalitions), *masks[part.key].shape),
            (passes.count, len(coalitions), *masks[part.key].shape),
        )
        for part in passes.parts
    ]


def feature_ablation(passes: Passes) -> dict[Any, Array]:
    masks = feature_masks(passes)
    count = 1 + max(int(one.max()) for one in masks.values())
    whole = passes.scores(passes.starts, passes.rows)
    lost = whole[:, None] - scores_without(passes, _presence(passes, ~np.eye(count, dtype=bool)))
    return {key: lost[:, mask.reshape(-1)].reshape(passes.count, *mask.shape) for key, mask in masks.items()}


def kernel_shap(passes: Passes) -> dict[Any, Array]:
    """The Shapley values of the features, from the scores of all coalitions."""
    masks = feature_masks(passes)
    count = 1 + max(int(one.max()) for one in masks.values())
    coalitions = np.array(list(product([False, True], repeat=count)))
    scores = scores_without(passes, _presence(passes, coalitions))
    number = {tuple(one): index for index, one in enumerate(coalitions)}
    values = np.zeros((passes.count, count))
    for index, coalition in enumerate(coalitions):
        size = int(coalition.sum())
        for feature in np.flatnonzero(~coalition):
            joined = coalition.copy()
            joined[feature] = True
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            values[:, feature] += weight * (scores[:, number[tuple(joined)]] - scores[:, index])
    return {
        key: values[:, mask.reshape(-1)].reshape(passes.count, *mask.shape) for key, mask in masks.items()
    }


# Layers.


def grid_of(passes: Passes) -> Grid | None:
    return GRIDS.get(passes.architecture.name)


def on_grid(grid: Grid, array: Array, count: int) -> tuple[Array, str]:
    """A layer's output as (N, C, places…), and the letters of the places."""
    if "L" in grid.axes:
        stop = array.shape[1] - grid.after
        array = array[:, grid.before : stop].reshape(count, *grid.tokens, array.shape[2])
        return np.moveaxis(array, -1, 1), grid.order
    letters = grid.axes
    array = np.moveaxis(array, letters.index("N"), 0)
    letters = "N" + letters.replace("N", "")
    array = np.moveaxis(array, letters.index("C"), 1)
    return array, letters.replace("N", "").replace("C", "")


def resized(array: Array, shape: tuple[int, ...]) -> Array:
    """Linear interpolation between the centres of cells."""
    axes = [
        np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        for new, old in zip(shape, array.shape, strict=True)
    ]
    return map_coordinates(array, np.meshgrid(*axes, indexing="ij"), order=1, mode="nearest")


def class_map(passes: Passes, weigh: Callable[[Array, Array], Array]) -> dict[Any, Array] | None:
    """A class activation map of the first input, each place's number, at the input's size: (N, places…)."""
    grid = grid_of(passes)
    if grid is None:
        return None
    first = passes.parts[0]
    is_shared = len({part.key for part in passes.parts}) > 1
    if is_shared and first.embedding is not None and passes.architecture.name not in OF_FIRST_ALONE:
        grid = Grid(first.embedding, "NTC")
    z, g = passes.at_layer(passes.starts, passes.rows, grid.layer, grid.call, grid.entering)
    (z, letters), (g, _) = on_grid(grid, z, passes.count), on_grid(grid, g, passes.count)
    places = np.maximum(weigh(z.astype(np.float64), g.astype(np.float64)).sum(1), 0)
    part = passes.parts[0]
    if part.embedding is not None:
        wanted, sides = "T", part.start.shape[1:2]
    else:
        layout = layout_of(passes)
        if passes.architecture.name == "Audio Spectrogram Transformer":
            layout = "NTF"
        if passes.architecture.name == "PatchTST":
            layout = "NTF"
        wanted = layout[1:].replace("C", "")
        sides = tuple(
            side for letter, side in zip(layout[1:], part.start.shape[1:], strict=True) if letter != "C"
        )
    places = np.moveaxis(places, [1 + letters.index(one) for one in wanted], range(1, 1 + len(wanted)))
    return {part.key: np.stack([resized(one, sides) for one in places])}


def grad_cam(passes: Passes) -> dict[Any, Array] | None:
    return class_map(passes, lambda z, g: z * g.mean(tuple(range(2, g.ndim)), keepdims=True))


def layer_cam(passes: Passes) -> dict[Any, Array] | None:
    return class_map(passes, lambda z, g: z * np.maximum(g, 0))


def activation(passes: Passes) -> dict[Any, Array] | None:
    grid = grid_of(passes)
    if grid is None:
        return None
    z, _ = passes.at_layer(passes.starts, passes.rows, grid.layer, grid.call, grid.entering)
    return {"layer": np.moveaxis(z, grid.axes.index("N"), 0)}


def conductance(passes: Passes) -> dict[Any, Array] | None:
    """The gradient to each unit at the first of two Gauss–Legendre nodes, times its change to the next."""
    grid = grid_of(passes)
    if grid is None:
        return None
    bases, found, before = baselines(passes), 0.0, None
    for node in (np.polynomial.legendre.leggauss(NODES + 1)[0] + 1) / 2:
        points = [
            (base + node * (start - base)).astype(passes.dtype)
            for start, base in zip(passes.starts, bases, strict=True)
        ]
        z, g = passes.at_layer(points, passes.rows, grid.layer, grid.call, grid.entering)
        if before is not None:
            found = found + before[1].astype(np.float64) * (z.astype(np.float64) - before[0])
        before = z, g
    return {"layer": np.moveaxis(found, grid.axes.index("N"), 0)}


def activation_maximization(passes: Passes) -> dict[Any, Array] | None:
    """Adam in NumPy, as documented, without penalties and jitter; None for several inputs, which it refuses."""
    if len(passes.starts) > 1:
        return None
    (start,) = passes.starts
    half = (BOUNDS[1] - BOUNDS[0]) / 2
    axes = tuple(range(1, start.ndim))
    u = np.clip(start.astype(np.float64) / half, -1, 1)
    mean = square = np.zeros_like(u)
    largest = np.zeros((len(u), *([1] * len(axes))))
    for step in range(ASCENTS):
        gradient = passes.gradients([(u * half).astype(passes.dtype)], passes.rows)[0].astype(np.float64)
        largest = np.maximum(largest, np.sqrt((gradient**2).mean(axes, keepdims=True)))
        ascent = gradient / np.where(largest > 0, largest, 1)
        mean, square = 0.9 * mean + 0.1 * ascent, 0.999 * square + 0.001 * ascent**2
        direction = (mean / (1 - 0.9 ** (step + 1))) / (np.sqrt(square / (1 - 0.999 ** (step + 1))) + 0.01)
        u = np.clip(u + 0.05 * (1 + np.cos(np.pi * step / ASCENTS)) / 2 * direction, -1, 1)
    return {passes.parts[0].key: u * half}


def completeness(passes: Passes) -> Array:
    """F at the example less F at the baseline, (N,)."""
    return passes.scores(passes.starts, passes.rows) - passes.scores(
        [one.astype(passes.dtype) for one in baselines(passes)], passes.rows
    )


def lrp(passes: Passes) -> dict[Any, Array] | None:
    """The relevance by the ε-rule; None where there is no reference."""
    values = passes.relevances()
    return None if values is None else by_input(passes, values, SUMMED)


REFERENCES: dict[str, Callable[[Passes], Any]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "smoothgrad": smoothgrad,
    "integrated_gradients": integrated_gradients,
    "expected_gradients": expected_gradients,
    "guided_backprop": guided_backprop,
    "deep_lift": completeness,
    "lrp": lrp,
    "activation": activation,
    "conductance": conductance,
    "grad_cam": grad_cam,
    "layer_cam": layer_cam,
    "occlusion": occlusion,
    "feature_ablation": feature_ablation,
    "kernel_shap": kernel_shap,
    "activation_maximization": activation_maximization,
}


def depends_on_others(passes: Passes) -> bool:
    """Whether an example's score changes when another example changes; observed once."""
    if passes.dependent is None:
        passes.dependent = _observed_dependence(passes)
    return passes.dependent


def _observed_dependence(passes: Passes) -> bool:
    if passes.architecture.domain == "graph" and passes.first_input.ndim == 2:
        return True
    before = passes.scores(passes.starts, passes.rows)
    for example in passes.rows:
        moved = [one.copy() for one in passes.starts]
        for one in moved:
            one[example] *= 0.5
        change = np.delete(passes.scores(moved, passes.rows) - before, example)
        if np.abs(change).max() > 1e-3 * np.abs(before).max():
            return True
    return False
