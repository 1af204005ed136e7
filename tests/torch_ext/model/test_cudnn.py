"""cuDNN is off while a recurrent model on a CUDA device is explained, and its flags are as they were afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explain.torch_ext.model.state import inference_mode, without_cudnn
from explain.torch_ext.model.structure import structure_of


@pytest.fixture
def _a_device_without_numbers(monkeypatch):
    """The random state of a device that this machine lacks."""
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.zeros(1, dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)


@pytest.mark.usefixtures("_a_device_without_numbers")
@pytest.mark.parametrize(
    ("model", "enabled"),
    [
        (nn.Sequential(nn.Conv2d(3, 2, 1)), True),
        (nn.LSTM(4, 3), False),
        (nn.Sequential(nn.Identity(), nn.GRU(4, 3)), False),
        (torch.jit.script(nn.LSTM(4, 3)), False),
        (torch.jit.trace(nn.RNN(4, 3), torch.ones(1, 2, 4)), False),
    ],
    ids=["convolution", "LSTM", "GRU", "scripted", "traced"],
)
def test_cudnn_is_off_for_recurrent_layers_alone(model, enabled):
    seen = []

    def explained():
        with inference_mode(model, structure_of(model), torch.device("cuda")):
            seen.append(torch.backends.cudnn.enabled)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        explained()
    assert seen == [enabled]
    assert torch.backends.cudnn.enabled


def test_the_other_flags_stay_as_the_caller_set_them():
    # `torch.backends.cudnn.flags` raises an error for these precisions, which are of PyTorch's newer interface.
    convolutions, recurrent = torch.backends.cudnn.conv, torch.backends.cudnn.rnn
    before = convolutions.fp32_precision, recurrent.fp32_precision, torch.backends.cudnn.deterministic
    try:
        convolutions.fp32_precision, recurrent.fp32_precision = "tf32", "ieee"
        torch.backends.cudnn.deterministic = True
        with without_cudnn():
            assert not torch.backends.cudnn.enabled
            assert torch.backends.cudnn.deterministic
            assert (convolutions.fp32_precision, recurrent.fp32_precision) == ("tf32", "ieee")
        assert torch.backends.cudnn.enabled
        assert (convolutions.fp32_precision, recurrent.fp32_precision) == ("tf32", "ieee")
    finally:
        convolutions.fp32_precision, recurrent.fp32_precision, torch.backends.cudnn.deterministic = before
