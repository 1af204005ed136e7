"""The frozen list says what issue and page promise of it."""

from __future__ import annotations

import importlib
import sys
from collections import Counter

import numpy as np
import pytest
from architectures.frozen import ARCHITECTURES, METHODS, not_applicable

import explain


def test_at_least_sixty_architectures_of_which_twenty_are_keras():
    assert len(ARCHITECTURES) >= 60
    assert sum(one.framework == "tensorflow" for one in ARCHITECTURES) >= 20
    assert len({one.name for one in ARCHITECTURES}) == len(ARCHITECTURES)


def test_at_most_four_of_a_family():
    assert max(Counter(one.family for one in ARCHITECTURES).values()) <= 4


def test_every_domain_is_there():
    assert {one.domain for one in ARCHITECTURES} == {
        "vision",
        "video",
        "volume",
        "text",
        "audio",
        "series",
        "graph",
        "table",
        "several",
    }


def test_every_family_of_methods_is_there():
    families = {row.name: row.family for row in explain.methods()}
    # The methods were frozen before those that read attentions were there.
    assert {families[name] for name in METHODS} == set(families.values()) - {"attention"}


def arrays(x):
    return list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, tuple) else [x]


def test_inputs_are_the_same_at_each_call():
    for architecture in ARCHITECTURES:
        first, second = architecture.inputs(), architecture.inputs()
        for one, other in zip(arrays(first), arrays(second), strict=True):
            np.testing.assert_array_equal(one, other)


def test_rules_leave_most_cells_applicable():
    cells = [not_applicable(one, method) for one in ARCHITECTURES for method in METHODS]
    assert sum(reason is not None for reason in cells) < len(cells) / 10


def test_the_stand_in_for_torchvision_leaves_no_trace():
    from architectures.torchvision_stub import torchvision_stub

    with torchvision_stub():
        from torchvision.transforms import InterpolationMode

        assert InterpolationMode("bicubic") is InterpolationMode.BICUBIC
    assert not [name for name in sys.modules if name.split(".")[0] == "torchvision"]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("torchvision")


@pytest.mark.parametrize("name", ["ViT", "U-Net (one class)", "BERT", "KerasHub BERT"])
def test_packages_run_side_by_side(name):
    (architecture,) = [one for one in ARCHITECTURES if one.name == name]
    assert architecture.build() is not None
