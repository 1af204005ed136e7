"""Cheap cells of every PyTorch architecture, against plain passes and against docs/support.md."""

from __future__ import annotations

import pytest
import torch
from architectures.cells import CHEAP, check, holds_all
from architectures.frozen import ARCHITECTURES
from architectures.grids import GRIDS

TORCH = [one for one in ARCHITECTURES if one.framework == "torch"]


@pytest.fixture(scope="module", autouse=True)
def one_thread_and_one_path():
    """The references switch off the fast path of attention: it is switched on again for other tests."""
    threads, fast = torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.backends.mha.set_fastpath_enabled(fast)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("architecture", TORCH, ids=lambda one: one.name)
def test_cheap_cells_are_as_the_page_says(architecture):
    check(architecture, CHEAP)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(GRIDS.keys() & {one.name for one in TORCH}))
def test_the_layer_of_a_map_carries_all_of_the_score(name):
    (architecture,) = [one for one in TORCH if one.name == name]
    assert holds_all(architecture)
