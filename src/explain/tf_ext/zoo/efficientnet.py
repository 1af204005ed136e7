"""EfficientNet-Lite0 in Keras, written for this project. `explain.torch_ext.zoo.efficientnet` contains its twin.

The architecture is that of M. Tan and Q. V. Le, *EfficientNet*, arXiv:1905.11946, in its lite form: ReLU6 instead of
swish, no squeeze and excitation. The blocks are those of MobileNetV2 (arXiv:1801.04381). Layers have the names of the
PyTorch network's modules, so that each layer can be matched with its module.
"""

from __future__ import annotations

from typing import Any

import keras

# One row per stage: blocks, side of the kernel, stride of its first block, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000
_EPSILON = 1e-3


def build(dtype: str = "float32") -> keras.Model:
    """Build the untrained network: (N, 224, 224, 3) to (N, 1000) logits.

    Examples
    --------
    >>> build().output_shape
    (None, 1000)
    """
    given = keras.Input((224, 224, 3), dtype=dtype, name="picture")
    x = _convolution(given, "conv_stem", _STEM, 3, dtype, strides=2)
    x = _relu6(_norm(x, "bn0", dtype), "stem_relu6", dtype)
    number = 0
    for blocks, side, stride, expansion, channels in _STAGES:
        for place in range(blocks):
            x = _block(x, f"blocks_{number}", side, stride if place == 0 else 1, expansion, channels, dtype)
            number += 1
    x = _convolution(x, "conv_head", _HEAD, 1, dtype)
    x = _relu6(_norm(x, "bn1", dtype), "head_relu6", dtype)
    layers = keras.layers
    x = layers.GlobalAveragePooling2D(dtype=dtype, name="avg_pooling")(x)
    x = layers.Dropout(0.2, dtype=dtype, name="dropout")(x)
    x = layers.Dense(_CLASSES, dtype=dtype, name="fc")(x)
    model = keras.Model(given, x, name="efficientnet_lite0")
    # Keras leaves the model's own dtype policy at the default; set it to that of the layers.
    model.dtype_policy = dtype
    return model


def _block(given: Any, name: str, side: int, stride: int, expansion: int, channels: int, dtype: str) -> Any:
    """Expand, convolve each channel, project; add the input if the shapes are equal."""
    x, before = given, int(given.shape[-1])
    if expansion != 1:
        x = _convolution(x, f"{name}_expand_conv", before * expansion, 1, dtype)
        x = _relu6(_norm(x, f"{name}_bn0", dtype), f"{name}_expand_relu6", dtype)
    # TensorFlow's "same" puts the odd row and column of zeros at the end, as the PyTorch network's padding does.
    x = keras.layers.DepthwiseConv2D(
        side, strides=stride, padding="same", use_bias=False, dtype=dtype, name=f"{name}_depthwise_conv"
    )(x)
    x = _relu6(_norm(x, f"{name}_bn1", dtype), f"{name}_depthwise_relu6", dtype)
    x = _norm(_convolution(x, f"{name}_project_conv", channels, 1, dtype), f"{name}_bn2", dtype)
    if stride == 1 and before == channels:
        x = keras.layers.Add(dtype=dtype, name=f"{name}_add")([x, given])
    return x


def _convolution(given: Any, name: str, channels: int, side: int, dtype: str, strides: int = 1) -> Any:
    layer = keras.layers.Conv2D(
        channels, side, strides=strides, padding="same", use_bias=False, dtype=dtype, name=name
    )
    return layer(given)


def _norm(given: Any, name: str, dtype: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=_EPSILON, dtype=dtype, name=name)(given)


def _relu6(given: Any, name: str, dtype: str) -> Any:
    return keras.layers.ReLU(max_value=6, dtype=dtype, name=name)(given)
