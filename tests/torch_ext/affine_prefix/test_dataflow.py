"""What depends on an input by its values is followed, and what leaves for where nothing is seen is noticed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

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


def test_what_is_seen_may_die():
    x = torch.randn(2, 3).requires_grad_()
    with ValueFlow(x) as flow:
        gate = torch.exp(x)
        dead = StorageWeakRef(gate.untyped_storage())
        gated = (x * gate).sum()
        del gate
        assert not dead.expired(), "saved for the backward pass"
        gradient = torch.autograd.grad(gated, x)[0]
        assert dead.expired()
    assert flow.may_follow(gradient)
    assert not flow.is_affine(gated)


def test_what_takes_the_address_of_a_dead_tensor_does_not_follow_the_input():
    x = torch.randn(50, 50)
    taken = 0
    with ValueFlow(x) as flow:
        for _ in range(20):
            gate = (x > 0).float()
            address = gate.data_ptr()
            del gate
            other = torch.ones(50, 50)
            taken += other.data_ptr() == address
            assert not flow.may_follow(other)
            shifted = x + other
            assert flow.is_affine(shifted)
            del other, shifted
    assert taken, "an address was used again"


def test_an_alias_from_another_library_follows_the_input():
    x = torch.randn(2, 3)
    with ValueFlow(x) as flow:
        alias = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x * 2))
        assert flow.may_follow(alias)


_LOADS_NO_COMPILER = """
import sys
import numpy as np, torch, explain
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
x = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
for method in ("integrated_gradients", "lrp", "deep_lift"):
    explain.attribute(net, x, method, target=1)
    assert "torch._dynamo" not in sys.modules, method
"""


def test_a_first_call_does_not_load_the_compiler():
    subprocess.run([sys.executable, "-W", "ignore", "-c", _LOADS_NO_COMPILER], check=True)
