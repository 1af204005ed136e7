"""The resampler gives the frameworks' own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given
from hypothesis import strategies as st

from explain.running.resampling import resampled


@pytest.mark.parametrize(
    ("before", "after"), [((5, 5), (32, 32)), ((7, 4), (10, 3)), ((1, 3), (4, 4)), ((6, 6), (6, 9))]
)
def test_pictures_as_both_frameworks_resample_them(before, after):
    maps = np.random.default_rng(0).normal(size=(2, *before))
    found = resampled(maps, (1, 2), after)
    tensor = torch.tensor(maps)[:, None]
    in_torch = torch.nn.functional.interpolate(tensor, after, mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(found, in_torch.numpy(), rtol=1e-6, atol=1e-12)
    in_tensorflow = tf.image.resize(maps[..., None], after, method="bilinear")[..., 0].numpy()
    # TensorFlow resizes in single precision.
    np.testing.assert_allclose(found, in_tensorflow, rtol=1e-4, atol=1e-5)


def test_lines_and_volumes():
    generator = np.random.default_rng(0)
    line, volume = generator.normal(size=(3, 5)), generator.normal(size=(2, 3, 4, 2))
    expected = torch.nn.functional.interpolate(torch.tensor(line)[:, None], 12, mode="linear")[:, 0]
    np.testing.assert_allclose(resampled(line, [1], [12]), expected.numpy(), rtol=1e-6, atol=1e-12)
    expected = torch.nn.functional.interpolate(torch.tensor(volume)[:, None], (6, 5, 7), mode="trilinear")[
        :, 0
    ]
    np.testing.assert_allclose(
        resampled(volume, (1, 2, 3), (6, 5, 7)), expected.numpy(), rtol=1e-6, atol=1e-12
    )


@given(before=st.integers(1, 9), after=st.integers(1, 30), seed=st.integers(0, 5))
def test_it_stays_within_what_it_is_given(before, after, seed):
    values = np.random.default_rng(seed).normal(size=before)
    found = resampled(values, [0], [after])
    assert found.shape == (after,)
    assert values.min() - 1e-12 <= found.min() <= found.max() <= values.max() + 1e-12
    np.testing.assert_allclose(resampled(np.ones(before), [0], [after]), 1)
    np.testing.assert_allclose(found[::-1], resampled(values[::-1], [0], [after]), atol=1e-12)
