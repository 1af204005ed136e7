"""XRAI: regions of a picture, ranked by their integrated gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import convergence_warnings, found_with_delta
from explain.algorithms.method import Method, Option
from explain.algorithms.options import is_positive, one_of, whole_number, whole_number_or_none
from explain.algorithms.path.integration import FIXED_RULE
from explain.backends.found import Found
from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.public_calls.progress import counted
from explain.running.paths.quadrature import nodes_and_weights
from explain.running.problem import Problem

Masks = npt.NDArray[np.bool_]

SCALES = (50, 100, 150, 250, 500, 1200)
"""Scales of Felzenszwalb and Huttenlocher's segmentation: the greater, the larger its segments."""

# The scales are meant for pictures of this size, with values from -1 to 1, and segments of at least this many
# pixels. Every picture is scaled to that for its segmentation.
_SIDE, _SIGMA, _LEAST_SEGMENT = 224, 0.8, 150
# How many pixels segments grow by, and the least number of new pixels of a region, in a picture of that size.
_DILATION, _LEAST_GAIN = 5, 50

_REMEDY = "Raise n_steps until it falls; if it does not, explain in float64."


def xrai(problem: Problem) -> Found:
    """Rank the regions of a picture by the density of integrated gradients in them.

    Kapishnikov et al., *XRAI: better attributions through regions*, arXiv:1906.02825. Integrated gradients
    are the mean over a black and a white baseline, the least and the greatest value of the bounds. The
    picture is segmented into regions at several scales. The region with the greatest mean attribution is
    selected first, then the region whose new pixels have the greatest mean, and so on. Each pixel gets the
    mean over the new pixels of the region that added it.
    """
    (inputs,), layout, options = problem.examples.inputs, problem.layout, problem.options
    if problem.bounds is None:
        raise OptionError(
            "bounds are not known: XRAI compares the picture with a black and a white one, the least and the "
            "greatest valid value. Give bounds=(least, greatest), for example bounds=(0, 1), or a display "
            "that states them."
        )
    mean, at_baselines = np.zeros(inputs.shape), np.zeros(len(inputs))
    for bound in problem.bounds:
        baselines = (np.full_like(inputs, bound),)
        mean += _integrated(problem, baselines) / 2
        at_baselines += problem.scores_at(baselines) / 2
    canonical = layout.to_canonical(mean)
    maps = canonical.sum(axis=-1) if options["channels"] == "sum" else canonical.max(axis=-1)
    pictures = np.ascontiguousarray(layout.to_canonical(inputs), np.float64)
    height, width, channels = pictures.shape[1:]
    share = np.sqrt(height * width) / _SIDE
    radius, least = options["dilation"], options["min_pixel_diff"]
    radius = round(_DILATION * share) if radius is None else radius
    least = max(1, round(_LEAST_GAIN * share**2)) if least is None else least
    ranked = np.empty(maps.shape)
    # One picture may be explained for many targets: it is segmented once.
    first, same = np.unique(
        [picture.tobytes() for picture in pictures], return_index=True, return_inverse=True
    )[1:]
    with counted(len(first), "regions of the pictures") as work:
        for place, picture in enumerate(pictures[first]):
            regions = segments(picture, options["scales"], radius)
            for row in np.flatnonzero(same == place):
                ranked[row] = region_map(maps[row], regions, least)
            work.advance()
    # Each channel gets an equal share: their sum, which is drawn, is the value of the region.
    each = np.repeat(ranked[..., np.newaxis] / channels, channels, axis=-1)
    channel = layout.channel_axis
    values = (each[..., 0] if channel is None else np.moveaxis(each, -1, channel),)
    if options["channels"] != "sum":
        return Found(values=values)
    return found_with_delta(
        problem,
        values,
        at_baselines,
        lambda relative_delta: convergence_warnings(relative_delta, _REMEDY),
    )


def _integrated(problem: Problem, baselines: tuple[Array, ...]) -> Array:
    backend = problem.backend
    alphas, weights = nodes_and_weights(FIXED_RULE, problem.options["n_steps"], backend.dtype)
    (gradients,) = backend.path_gradients(
        problem.examples, baselines, alphas, weights[np.newaxis], problem.executor
    )
    integral: Array = (problem.examples.inputs[0] - baselines[0]).astype(np.float64) * gradients[0]
    return integral


def segments(picture: Array, scales: Sequence[float], radius: int) -> Masks:
    """Give the regions of a picture at every scale, grown at their edges, shape (regions, H, W).

    Felzenszwalb & Huttenlocher, *Efficient graph-based image segmentation* (2004), computed by scikit-image.

    Parameters
    ----------
    picture : numpy.ndarray of float64
        Shape (H, W, C).
    scales : sequence of float
        One segmentation per scale.
    radius : int
        The number of pixels that each region grows by in every direction.

    Examples
    --------
    >>> halves = np.repeat([[[0.0], [1.0]]], 8, axis=0).repeat(4, axis=1)
    >>> regions = segments(halves, (100,), 0)
    >>> regions.shape[1:], bool((regions.sum(axis=0) == 1).all())
    ((8, 8), True)
    """
    from scipy.ndimage import distance_transform_edt, find_objects
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    span = np.ptp(picture)
    even = (picture - picture.min()) / (span if span > 0 else 1) * 2 - 1
    large = resize(even, (_SIDE, _SIDE), order=3, mode="constant", preserve_range=True, anti_aliasing=True)
    found = []
    for scale in scales:
        labels = felzenszwalb(large, scale=scale, sigma=_SIGMA, min_size=_LEAST_SEGMENT, channel_axis=-1)
        labels = resize(
            labels, picture.shape[:2], order=0, mode="constant", preserve_range=True, anti_aliasing=False
        ).astype(int)
        for label, place in enumerate(find_objects(labels + 1)):
            if place is None:
                continue
            # A region grows within its surroundings only, so the rest is not computed.
            around = tuple(slice(max(0, part.start - radius), part.stop + radius) for part in place)
            grown = np.zeros(labels.shape, bool)
            grown[around] = distance_transform_edt(labels[around] != label) <= radius
            found.append(grown)
    return np.stack(found)


def region_map(attribution: Array, regions: Masks, least: int) -> Array:
    """Select regions greedily; give each pixel the mean attribution of the new pixels of its region.

    Parameters
    ----------
    attribution : numpy.ndarray
        Shape (H, W).
    regions : numpy.ndarray of bool
        Shape (regions, H, W); they may overlap.
    least : int
        A region that adds fewer new pixels is skipped. The pixels that remain at the end form one region.

    Examples
    --------
    >>> regions = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 0]]], bool)
    >>> region_map(np.array([[4.0, 2.0, 1.0, 5.0]]), regions, 1).tolist()
    [[3.0, 3.0, 1.0, 5.0]]
    """
    flat, masks = attribution.ravel(), regions.reshape(len(regions), -1)
    ranked, free = np.zeros(flat.shape), np.ones(flat.shape, bool)
    # The number and the sum of the pixels of each region that are not selected yet. Each selection updates
    # them, so that each pixel is read once.
    counts, sums = masks.sum(axis=1), masks @ flat
    while (counts >= least).any():
        gains = np.where(counts >= least, sums / np.maximum(counts, 1), -np.inf)
        added = masks[int(np.argmax(gains))] & free
        ranked[added] = flat[added].mean()
        free &= ~added
        counts = counts - masks[:, added].sum(axis=1)
        sums = sums - masks[:, added] @ flat[added]
    if free.any():
        ranked[free] = flat[free].mean()
    return ranked.reshape(attribution.shape)


ROWS = (
    Method(
        xrai,
        title="XRAI",
        aliases=(),
        summary="Which regions of a picture add most to the score: integrated gradients, region by region.",
        paper="Kapishnikov et al. 2019, arXiv:1906.02825",
        needs=frozenset({"outputs", "path_gradients"}),
        kinds=("image",),
        options=(
            whole_number("n_steps", 50, 1, "Number of gradients along each of the two paths."),
            one_of("channels", "sum", ("sum", "max"), "How the channels of a pixel are combined."),
            Option(
                "scales",
                SCALES,
                "numbers above 0, at least one",
                lambda value: (
                    isinstance(value, (list, tuple)) and bool(value) and all(map(is_positive, value))
                ),
                "Scales of the segmentations: the greater, the larger the regions.",
                tuple,
                list,
            ),
            whole_number_or_none(
                "dilation",
                "How many pixels regions grow by. None: 5 of every 224.",
            ),
            whole_number_or_none(
                "min_pixel_diff",
                "Least number of new pixels of a region. None: 50 of every 224 × 224.",
                1,
            ),
        ),
    ),
)
