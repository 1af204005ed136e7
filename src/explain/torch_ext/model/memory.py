"""The memory that a point needs in PyTorch, and the free memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from explain.errors import ExplainError
from explain.inputs.examples import Examples
from explain.running.execution import UNSEEN

# A factor for gradients and temporary results, in addition to the tensors saved for the backward pass.
_BEYOND_WHAT_IS_SAVED = 1.5

LARGE = 2**18
"""From so many values of an example on, a run over several may take more memory than the work itself."""


def bytes_per_point(
    examples: Examples,
    fixed_batch_size: int | None,
    run: Callable[[Examples], tuple[Sequence[Tensor], Tensor]],
) -> int:
    """Estimate the memory that one more example needs while its gradient is taken, in bytes.

    Count the tensors that autograd saves for the backward pass, for two and for four examples. Autograd saves
    parameters once, so they cancel in the difference. A large example is counted alone: parameters are a small part.

    Parameters
    ----------
    examples : Examples
        Any number of examples.
    fixed_batch_size : int, optional
        The only batch size that the model accepts.
    run : callable
        Runs the model on examples; gives the points, which require gradients, and the source of the output.
    """
    try:
        if fixed_batch_size is not None:
            return _saved(run, examples, fixed_batch_size) // fixed_batch_size
        if values_of(examples) >= LARGE:
            return max(1, _saved(run, examples, 1))
        return max(1, (_saved(run, examples, 4) - _saved(run, examples, 2)) // 2)
    except ExplainError:
        # The model rejects the input: the call on the input as given raises the error.
        return UNSEEN * sum(array[:1].nbytes for array in examples.inputs)


def values_of(examples: Examples) -> int:
    """Give the number of values of the inputs of one example."""
    return sum(array[:1].size for array in examples.inputs)


def _saved(run: Callable[[Examples], tuple[Sequence[Tensor], Tensor]], examples: Examples, count: int) -> int:
    """Give the bytes that stay allocated between a forward and a backward pass over `count` examples."""
    kept: dict[int, Any] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        # Kept alive, so that its address is not reused.
        kept[storage.data_ptr()] = storage
        # An operation that saves its own result would hold itself: the graph would outlive this run.
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        points, source = run(examples.rows(np.zeros(count, np.intp)))
    saved = sum(storage.nbytes() for storage in kept.values())
    ends = sum(tensor.numel() * tensor.element_size() for tensor in (*points, source))
    return int(_BEYOND_WHAT_IS_SAVED * (saved + ends))


def free_memory(device: torch.device) -> int:
    """Give the free memory of a device, in bytes."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # PyTorch can use the memory that it caches and has not allocated.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of PyTorch reports that memory ran out, on a device or on the CPU."""
    on_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return on_cpu or isinstance(error, (torch.OutOfMemoryError, MemoryError))
