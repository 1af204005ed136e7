"""What depends on an input by its values is followed, and what leaves for where nothing is seen is noticed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explain.torch_ext.affine_prefix.dataflow import ValueFlow

SIGNS = {
    "a comparison": lambda x: (x > 0).float(),
    "item": lambda x: torch.tensor([[float(one.item() > 0) for one in row] for row in x]),
    "tolist": lambda x: torch.tensor([[float(one > 0) for one in row] for row in x.tolist()]),
    "numpy": lambda x: torch.from_numpy((x.numpy() > 0).astype("float32")),
    "asarray": lambda x: torch.tensor(np.asarray(x) > 0).float(),
    "dlpack": lambda x: torch.tensor(np.from_dlpack(x) > 0).float(),
}


@pytest.mark.parametrize("sign", list(SIGNS))
def test_a_gate_is_seen_whichever_way_it_is_taken(sign):
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    with ValueFlow(x) as flow:
        gate = SIGNS[sign](x)
        gated = x * gate
    assert not flow.is_affine(gated)
    assert flow.may_follow(gate)


def test_what_only_has_the_shape_of_an_input_does_not_follow_it():
    x = torch.randn(2, 3)
    with ValueFlow(x) as flow:
        other = torch.ones(x.shape) * 2
    assert not flow.may_follow(other)
    assert not flow.is_affine(other)
