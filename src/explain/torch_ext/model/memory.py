"""How much memory a point needs in PyTorch, and how much there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from explain.errors import ExplainError
from explain.inputs.examples import Examples
from explain.running.execution import UNSEEN

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

# Besides what the backward pass reads again, the gradients on their way and the results not kept.
_BEYOND_WHAT_IS_SAVED = 1.5


def bytes_per_point(backend: TorchBackend, examples: Examples) -> int:
    """Estimate the memory that one more example needs while its gradient is taken, in bytes.

    What autograd saves for the backward pass is counted for two and for four examples: parameters are there
    once, and drop out of the difference.
    """
    size = backend.fixed_batch_size
    try:
        if size is not None:
            return _saved(backend, examples, size) // size
        return max(1, (_saved(backend, examples, 4) - _saved(backend, examples, 2)) // 2)
    except ExplainError:
        # The model does not take the input: it says so, in words about the input as given, when it is called on it.
        return UNSEEN * sum(array[:1].nbytes for array in examples.inputs)


def _saved(backend: TorchBackend, examples: Examples, count: int) -> int:
    """Give the bytes of all that is kept between a forward and a backward pass over `count` examples."""
    repeated = examples.rows(np.zeros(count, np.intp))
    kept: dict[int, Any] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        # Held, so that no other storage takes its place and its address.
        kept[storage.data_ptr()] = storage
        return tensor

    points = tuple(tensor.requires_grad_() for tensor in backend.tensors(repeated.inputs))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        reading = backend.read(points, repeated)
        bytes_of_outputs = reading.source.numel() * reading.source.element_size()
    saved = sum(storage.nbytes() for storage in kept.values())
    inputs = sum(point.numel() * point.element_size() for point in points)
    return int(_BEYOND_WHAT_IS_SAVED * (saved + inputs + bytes_of_outputs))


def free_memory(device: torch.device) -> int:
    """Give the free memory of a device, in bytes."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What PyTorch keeps for later and does not use is free for it.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell PyTorch's errors of memory that ran out: that of a device, and what its allocator on the CPU says."""
    on_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return on_cpu or isinstance(error, (torch.OutOfMemoryError, MemoryError))
