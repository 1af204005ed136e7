"""Copies between host arrays and JAX arrays; JAX itself chooses the device."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from explain.errors import InputError
from explain.inputs.examples import Array


def to_device(array: Array, dtype: Any) -> Any:
    """Convert an array to a JAX array; cast it to `dtype` if it is a floating-point array.

    Raises
    ------
    InputError
        If it holds whole numbers beyond 32 bits, which JAX would cut off without ``jax_enable_x64``.

    Examples
    --------
    >>> to_device(np.ones(2), np.float32).dtype.name, to_device(np.ones(2, bool), np.float32).dtype.name
    ('float32', 'bool')
    """
    if array.dtype.kind == "f":
        return jnp.asarray(array, dtype)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and not jax.config.jax_enable_x64:
        kind = np.iinfo(np.int32 if array.dtype.kind == "i" else np.uint32)
        if array.size and (array.max() > kind.max or array.min() < kind.min):
            raise InputError(
                f"An input holds the whole number {max(array.min(), array.max(), key=abs)}, which needs 64 bits: JAX "
                "computes with 32 bits. Call jax.config.update('jax_enable_x64', True) at the start of the program."
            )
        return jnp.asarray(array.astype(kind.dtype))
    return jnp.asarray(array)


def to_host(array: Any) -> Array:
    """Copy a JAX array to the host, half precision as float32.

    Examples
    --------
    >>> to_host(jnp.ones(2, jnp.bfloat16)).dtype.name
    'float32'
    """
    if array.dtype in (jnp.float16, jnp.bfloat16):
        array = array.astype(jnp.float32)
    return np.array(array)
