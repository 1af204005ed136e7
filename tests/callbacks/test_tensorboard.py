"""TensorBoard itself shows what both frameworks wrote: asked through the data that its pages ask for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from short_training import train_twins
from tensorboard_server import tensorboard
from written_events import read

import explain


def test_tensorboard_shows_both_frameworks(tmp_path):
    train_twins(tmp_path / "runs", 2, method="saliency")
    with pytest.warns(explain.errors.CallbackWarning):
        train_twins(tmp_path / "runs", 1, method="saliency", target=70, tag="wrong")
    with tensorboard(tmp_path / "runs") as server:
        images, scalars, texts = (server.tags(plugin, 2) for plugin in ("images", "scalars", "text"))
        assert set(images) == set(scalars) == set(texts) == {"torch", "tensorflow"}
        for run in images:
            assert images[run] == {"saliency/cat", "saliency/ship"}
            assert "saliency/relative_l2/since_first" in scalars[run]
            assert len(scalars[run]) == 12
            written = read(tmp_path / "runs" / run)
            for tag in scalars[run]:
                assert server.scalars(run, tag) == pytest.approx(written.scalars[tag])
            a = [explain.load(tmp_path / "runs" / f"{run}-maps" / f"epoch-000{epoch}") for epoch in range(2)]
            moved = server.scalars(run, "saliency/relative_l2/since_first")
            assert moved == pytest.approx({1: explain.compare(*a).mean["relative_l2"]})
            for epoch, png in server.images(run, "saliency/ship").items():
                shown = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
                np.testing.assert_array_equal(shown, written.images["saliency/ship"][epoch])
