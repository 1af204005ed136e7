"""Pictures of every kind of input, of any proportions."""

from __future__ import annotations

import numpy as np
import pytest

import explain
from explain.callbacks.drawing import pixels_of


@pytest.mark.parametrize(
    ("side", "shape"),
    [
        ((8, 8), (374, 900)),
        ((20, 80), (764, 900)),
        ((80, 20), (978, 900)),
        ((1, 2000), (162, 900)),
        ((2000, 1), (978, 900)),
    ],
)
def test_pictures_of_any_proportions_fill_the_card(side, shape):
    x = np.random.default_rng(0).normal(size=(1, 1, *side)).astype(np.float32)
    pixels = pixels_of(explain.Attribution(x, x, "NCHW", "saliency", np.ones(1), target=(3,)), 0, epoch=7)
    assert pixels.shape == (*shape, 3)
    # Coloured, so the map is there.
    assert (np.ptp(pixels.astype(int), axis=-1) > 60).sum() > 100


def test_every_kind_of_attribution_is_drawn(any_attribution):
    pixels = pixels_of(any_attribution, len(any_attribution) - 1, epoch=0)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert np.ptp(pixels) > 200
