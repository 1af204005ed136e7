"""Cheap cells of a fixed sample of the Keras architectures, against plain passes and against docs/support.md."""

from __future__ import annotations

import pytest
from architectures.cells import check, holds_all
from architectures.frozen import ARCHITECTURES

# TensorFlow traces each of them for seconds: one of a kind.
SAMPLE = {
    "Keras U-Net (one class, sigmoid)": ("saliency", "grad_cam"),
    "KerasHub ResNet": ("saliency", "grad_cam"),
    "KerasHub BERT": ("saliency", "feature_ablation"),
    "KerasHub GPT-2": ("saliency",),
    "KerasHub FNet": ("saliency", "lrp"),
    "Keras TCN": ("saliency", "guided_backprop"),
    "Keras attention over time (Bahdanau)": ("saliency", "grad_cam"),
    "Keras 3-D CNN": ("saliency", "deep_lift", "grad_cam"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLE)
def test_cheap_cells_are_as_the_page_says(name):
    (architecture,) = [one for one in ARCHITECTURES if one.name == name]
    check(architecture, SAMPLE[name])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLE)
def test_the_layer_of_a_map_carries_all_of_the_score(name):
    (architecture,) = [one for one in ARCHITECTURES if one.name == name]
    assert holds_all(architecture)
