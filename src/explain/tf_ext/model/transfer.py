"""Copies between host arrays and TensorFlow tensors; TensorFlow itself chooses the device."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from explain.inputs.examples import Array


def to_device(array: Array, dtype: Any) -> Any:
    """Convert an array to a tensor; cast it to `dtype` if it is a floating-point array.

    Examples
    --------
    >>> import numpy as np
    >>> to_device(np.ones(2), tf.float32).dtype.name, to_device(np.ones(2, np.int64), tf.float32).dtype.name
    ('float32', 'int64')
    """
    return tf.constant(array, dtype) if array.dtype.kind == "f" else tf.constant(array)


def to_host(tensor: Any) -> Array:
    """Copy a tensor to the host, half precision as float32.

    Examples
    --------
    >>> to_host(tf.ones(2, tf.bfloat16)).dtype.name
    'float32'
    """
    if tensor.dtype in (tf.float16, tf.bfloat16):
        tensor = tf.cast(tensor, tf.float32)
    array: Array = tensor.numpy()
    return array
