"""The memory that a point needs in TensorFlow, and the free memory."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import tensorflow as tf

from explain.errors import ExplainError
from explain.inputs.examples import Examples
from explain.running.execution import UNSEEN

# A factor for gradients, in addition to the results of the forward pass, most of which the backward pass reads again.
_BEYOND_RESULTS = 1.5


def bytes_per_point(examples: Examples, bytes_of_results: Callable[[], int]) -> int:
    """Estimate the memory that one more example needs while its gradient is taken, in bytes.

    Parameters
    ----------
    examples : Examples
        Any number of examples.
    bytes_of_results : callable
        Computes the size of every result between input and score from the shapes in a trace; 0 without a trace.
    """
    inputs = sum(array[:1].nbytes for array in examples.inputs)
    try:
        size = bytes_of_results()
    except ExplainError:
        # The model rejects the input: the call of the model raises the error.
        size = 0
    return int(_BEYOND_RESULTS * (inputs + size)) if size else UNSEEN * inputs


def free_memory(device: str) -> int:
    """Give the free memory of a device, in bytes."""
    if device != "cpu":
        # TensorFlow reserves a device's memory at the start; no public function gives its size.
        from tensorflow.python.client.device_lib import list_local_devices

        limit = next(one.memory_limit for one in list_local_devices() if one.device_type == "GPU")
        return int(limit - tf.config.experimental.get_memory_info(device)["current"])
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of TensorFlow says that memory ran out, on any device."""
    return isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError))
