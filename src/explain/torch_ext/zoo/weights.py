"""Reads and loads the tensors of a PyTorch model of the zoo; `explain.tf_ext.zoo.weights` does so in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from explain.inputs.examples import Array


def parameters(model: nn.Module) -> dict[str, Array]:
    """Give every tensor of a model as a NumPy copy under its PyTorch name.

    Examples
    --------
    >>> parameters(nn.Sequential(nn.Linear(3, 2)))["0.weight"].shape
    (2, 3)
    """
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}


def load(build: Callable[[str], nn.Module], tensors: Mapping[str, Array], dtype: str) -> nn.Module:
    """Build a model in evaluation mode on the CPU, with parameters under their PyTorch names cast to `dtype`."""
    # PyTorch draws initial weights although they are replaced; fork, so that the user's random state does not advance.
    with torch.random.fork_rng(devices=[]):
        model = build(dtype)
    # The copy into the model's tensors casts to its precision.
    model.load_state_dict(
        {name: torch.from_numpy(np.array(one)) for name, one in tensors.items()}, strict=True
    )
    return model.eval()
