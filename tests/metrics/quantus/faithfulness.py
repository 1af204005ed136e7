"""Metrics of faithfulness in Quantus."""

from __future__ import annotations

import itertools
from functools import partial
from importlib import import_module
from typing import Any
from unittest import mock

import numpy as np
from metrics.quantus.calls import ROWS, Maker, as_double, in_turn, measured, of_places, putting_in
from metrics.quantus.stored import FRACTIONS, PLACES, SEGMENTS, SIZE, SIZES, SUBSETS, Fixture, N

from explain.metrics.drops.subsets import random_subsets, size_of
from explain.metrics.faithfulness.infidelity import noisy_points
from explain.metrics.faithfulness.monotonicity_correlation import replacement_draws
from explain.metrics.faithfulness.road import DRAWS, drawn_noise


def deletion(one: Fixture) -> Any:
    """Give the curve of PixelFlipping, from the first features that are removed."""
    options = {"features_in_step": 2, "perturb_baseline": 0.0}
    return measured("PixelFlipping", one, as_double(one.given), **options, call={"softmax": True})


def deletion_of_pixels(one: Fixture) -> Any:
    """Give the curve of Selectivity, whose patches of one pixel have all channels."""
    options = {"patch_size": 1, "perturb_baseline": 0.0}
    return measured("Selectivity", one, as_double(one.given), **options, call={"softmax": True})


def insertion(one: Fixture) -> Any:
    """Give the curve of PixelFlipping, whose features are put into zeros."""
    options = {"features_in_step": 2, "perturb_func": putting_in(one)}
    return measured("PixelFlipping", one, as_double(one.given), **options, call={"softmax": True})


def pixel_flipping(one: Fixture) -> Any:
    """Give the mean of RegionPerturbation's drops, with that before anything is replaced, which it leaves out."""
    options = {"patch_size": 1, "regions_evaluation": PLACES, "perturb_baseline": 0.0}
    drops = measured("RegionPerturbation", one, as_double(one.given), **options, call={"softmax": True})
    return np.sum(drops, axis=1) / (PLACES + 1)


def faithfulness_correlation(one: Fixture, size: int = 7) -> Any:
    """Give FaithfulnessCorrelation over the random subsets that `explain` draws."""
    subject = one.subject()
    drawn = np.stack([random_subsets(subject, row, size, SUBSETS) for row in range(N)], axis=1)
    chosen = [np.flatnonzero(places) for run in drawn for places in run]
    options = {"subset_size": size, "nr_runs": SUBSETS, "perturb_baseline": 0.0, "return_aggregate": False}
    with mock.patch("numpy.random.choice", side_effect=chosen):
        return measured("FaithfulnessCorrelation", one, as_double(one.given), **options)


def sensitivity_n(one: Fixture) -> Any:
    """Give FaithfulnessCorrelation for subsets of each size: Quantus' SensitivityN is another metric."""
    sizes = [size_of(share, PLACES) for share in SIZES]
    return np.stack([faithfulness_correlation(one, size) for size in sizes], axis=1)


def faithfulness_estimate(one: Fixture) -> Any:
    """Give FaithfulnessEstimate, a place at a time."""
    call = {"softmax": True}
    return measured("FaithfulnessEstimate", one, as_double(one.given), perturb_baseline=0.0, call=call)


def monotonicity(one: Fixture, n_steps: int = 2, *, by_size: bool = False) -> Any:
    """Give Monotonicity with a perturbation that puts features in: Quantus' own puts the baseline into itself."""
    options = {
        "features_in_step": PLACES // n_steps,
        "perturb_baseline": 0.0,
        "perturb_func": putting_in(one),
    }
    return measured("Monotonicity", one, as_double(one.given), abs=by_size, **options)


def monotonicity_correlation(one: Fixture) -> Any:
    """Give MonotonicityCorrelation with other places of the example in the place of each."""
    subject, whole = one.subject(), one.x.reshape(N, -1)
    drawn = np.stack([replacement_draws(subject, row, "places", 4) for row in range(N)], axis=1)
    sample = itertools.cycle(range(4))

    def replaced(arr: Any, indices: Any, **_: Any) -> Any:
        found = arr.copy()
        others = drawn[next(sample)][ROWS, indices]
        found[ROWS, indices] = whole[ROWS, others]
        return found

    options = {"nr_samples": 4, "abs": True, "perturb_func": replaced}
    return measured("MonotonicityCorrelation", one, as_double(one.given), **options)


def irof(one: Fixture) -> Any:
    """Give IROF of squares; its own perturbation refuses several channels."""

    def removed(arr: Any, mask: Any, **_: Any) -> Any:
        return np.where(mask, 0.0, arr)

    with mock.patch("quantus.helpers.utils.get_superpixel_segments", return_value=SEGMENTS):
        return measured(
            "IROF",
            one,
            of_places(one.given),
            perturb_func=removed,
            return_aggregate=False,
            call={"softmax": True},
        )


def road(one: Fixture) -> Any:
    """Give the probabilities of ROAD, of which it returns only how often the target's is the largest.

    Its noise is what `explain` draws. Of pictures of several channels it takes values for pixels, so there it gets the
    pixels.
    """
    subject, channels = one.subject(), one.x.shape[1]
    order = np.argsort(-of_places(one.given).reshape(N, -1), axis=1)
    removed = [order[row, : int(PLACES * share)] for share in FRACTIONS for row in range(N)]
    every = [(point, row) for point in range(len(FRACTIONS)) for row in range(N)]
    noise = [
        drawn_noise(subject.generator(DRAWS, row, point), SIZE, SIZE, channels).reshape(PLACES, -1)[pixels].T
        for (point, row), pixels in zip(every, removed, strict=True)
    ]
    following, pixels_of = iter(noise), iter(removed)

    def imputed(arr: Any, indices: Any, **_: Any) -> Any:
        own = import_module("quantus.functions.perturb_func").noisy_linear_imputation
        return own(arr=arr, indices=next(pixels_of), noise=0.01)

    seen: list[Any] = []
    hook = one.model.register_forward_hook(lambda _, __, logits: seen.append(logits.softmax(1).numpy()))
    options = {"perturb_func": imputed} if channels > 1 else {"perturb_func_kwargs": {"noise": 0.01}}
    options["percentages"] = [100 * share for share in FRACTIONS]
    try:
        with mock.patch("numpy.random.randn", lambda *shape: next(following).reshape(shape)):
            measured("ROAD", one, of_places(one.given), **options)
    finally:
        hook.remove()
    return np.stack(seen, axis=1)[np.arange(N), :, one.target]


def infidelity_to_noise(one: Fixture) -> Any:
    """Give Infidelity at the noisy inputs that `explain` draws: one patch, as large as the picture."""
    subject = one.subject()
    with subject.opened() as model:
        points = noisy_points(subject, model, 0.1, 16)
        (moved,) = points.inputs(slice(0, N), slice(0, 16))
    return infidelity(one, np.moveaxis(moved.reshape(N, 16, *one.x.shape[1:]), 1, 0))


def infidelity_to_removal(one: Fixture) -> Any:
    """Give Infidelity without the random subsets that `explain` draws, a quarter of the places each."""
    subject = one.subject()
    removed = np.stack([random_subsets(subject, row, PLACES // 4, 16) for row in range(N)])
    kept = ~removed.reshape(N, 16, 1, SIZE, SIZE)
    return infidelity(one, np.moveaxis(one.x[:, np.newaxis] * kept, 1, 0))


def infidelity(one: Fixture, points: Any) -> Any:
    """Give Infidelity at some inputs, shape (K, N, ...)."""
    options = {
        "perturb_patch_sizes": [SIZE],
        "n_perturb_samples": len(points),
        "perturb_func": in_turn(points),
    }
    return measured("Infidelity", one, as_double(one.given), **options)


MAKERS: dict[str, Maker] = {
    "deletion": deletion,
    "deletion of pixels with channels": deletion_of_pixels,
    "insertion": insertion,
    "pixel_flipping": pixel_flipping,
    "faithfulness_correlation": faithfulness_correlation,
    "faithfulness_estimate": faithfulness_estimate,
    "sensitivity_n": sensitivity_n,
    "monotonicity": monotonicity,
    "monotonicity by size": partial(monotonicity, n_steps=4, by_size=True),
    "monotonicity_correlation": monotonicity_correlation,
    "irof": irof,
    "road": road,
    "road of pixels with channels": road,
    "infidelity to noise": infidelity_to_noise,
    "infidelity to removal": infidelity_to_removal,
}
