"""The free memory of a device of JAX, and its errors when memory runs out."""

from __future__ import annotations

import jax
import psutil


def free_memory() -> int:
    """Give the free memory of the device that computes, in bytes."""
    statistics = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    if statistics is not None:
        return int(statistics["bytes_limit"] - statistics["bytes_in_use"])
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of JAX says that memory ran out, on any device."""
    return isinstance(error, MemoryError) or (
        isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    )
