"""Equal twins that are trained alike give the same tags, pictures of one size, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from short_training import train_twins
from written_events import read

import explain


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a run of each framework: `cifar_net` from the same weights, on the same three full batches."""
    folder = tmp_path_factory.mktemp("runs")
    train_twins(folder, method="saliency")
    return folder


def test_tags_are_the_same(runs):
    found = {name: read(runs / name) for name in ("torch", "tensorflow")}
    images = {f"saliency/{name}" for name in ("cat", "ship")}
    figures = ("relative_l2", "pearson", "spearman", "top_overlap", "ssim", "same_target")
    scalars = {f"saliency/{figure}/since_{since}" for figure in figures for since in ("first", "previous")}
    for one in found.values():
        assert set(one.images) == images
        assert set(one.scalars) == scalars


def test_numbers_are_the_same_up_to_rounding(runs):
    one, other = (read(runs / name).scalars for name in ("torch", "tensorflow"))
    for tag, values in one.items():
        assert values == pytest.approx(other[tag], abs=1e-4), tag
    assert one["saliency/relative_l2/since_first"][2] > 0.05


def test_files_are_the_same_up_to_rounding(runs):
    for epoch in range(3):
        maps = [explain.load(runs / f"{name}-maps" / f"epoch-000{epoch}") for name in ("torch", "tensorflow")]
        assert explain.compare(*maps).relative_l2.max() < 1e-3


def test_pictures_are_the_same_up_to_rounding(runs):
    one, other = (read(runs / name).images for name in ("torch", "tensorflow"))
    for tag, epochs in one.items():
        for epoch, pixels in epochs.items():
            twin = other[tag][epoch]
            assert pixels.shape == twin.shape
            apart = np.abs(pixels.astype(int) - twin).max(axis=-1)
            assert (apart > 24).mean() < 0.01
