"""Finds which tensors of a run are affine in its input, from every operation of the run.

The autograd graph lacks operations without a gradient: a comparison, a rounding, a detached tensor. A product with such
a gate looks affine in the graph and is not. The dispatch mode here intercepts every operation, but not the gradient of
a custom autograd function. Only the autograd graph shows that (`explain.torch_ext.model.graph`), so a prefix must be
affine by both.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from explain.backends.operations.score_graph import names
from explain.torch_ext.interception import Interception

# ATen operations. These are affine jointly in all operands that depend on the input.
_ADDITIVE = names(
    "add sub rsub neg cat stack view _unsafe_view reshape _reshape_alias permute transpose t squeeze unsqueeze expand "
    "slice select split split_with_sizes unsafe_split unbind alias clone _to_copy constant_pad_nd flatten "
    "sum mean avg_pool2d _adaptive_avg_pool2d zeros_like ones_like new_zeros new_ones empty_like new_empty"
)
# Affine in one argument if the other arguments do not depend on the input.
_LINEAR_IN_EACH = names("mul mm addmm bmm baddbmm convolution mkldnn_convolution linear")
_BATCH_NORMS = names("_native_batch_norm_legit_no_training cudnn_batch_norm native_batch_norm")

# These functions take values out of tensors, where no operation can be intercepted.
_VALUE_READERS = names("numpy tolist __array__ __dlpack__")


class ValueFlow(Interception):
    """Tracks the tensors that depend on an input through every operation of a run.

    Parameters
    ----------
    source : torch.Tensor
        The input.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(2, 3)
    >>> with ValueFlow(x) as flow:
    ...     shifted, gated = 2 * x + 1, x * (x > 0)
    >>> flow.is_affine(shifted), flow.is_affine(gated)
    (True, False)
    """

    def __init__(self, source: Tensor) -> None:
        # PyTorch's __init__ has no type annotations.
        super().__init__()  # type: ignore[no-untyped-call]
        # Maps the address of a storage to the storage and whether the tensor is affine. The storage is not kept alive,
        # so that a run needs no more memory than without this mode: another tensor may reuse the address of a dead one.
        self._seen: dict[int, tuple[StorageWeakRef, bool]] = {}
        # Whether the run converted a value to a Python number; any later tensor may depend on the input.
        self._left = False
        self._exits = _Exits(self)
        self._note(source, True)

    def __enter__(self) -> ValueFlow:
        """Start tracking."""
        self._exits.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop tracking."""
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._exits.__exit__(*error)  # type: ignore[no-untyped-call]

    def leaves(self, tensor: Tensor) -> None:
        """Record that a tensor's values leave PyTorch, where they cannot be tracked."""
        self._left = self._left or self._depends(tensor)

    def is_affine(self, tensor: Tensor) -> bool:
        """Tell whether a tensor depends on the input, and is affine in it."""
        return self._state(tensor) is True

    def may_follow(self, tensor: Tensor) -> bool:
        """Tell whether a tensor's values may depend on those of the input."""
        return self._left or self._depends(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation; track its results."""
        result = func(*args, **(kwargs or {}))
        given = (self._state(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor))
        states = [state for state in given if state is not None]
        if states:
            name = func.overloadpacket.__name__
            self._left = self._left or name == "_local_scalar_dense"
            affine = not self._left and all(states) and self._is_affine_kind(name, args, len(states))
            for one in tree_leaves(result):
                if isinstance(one, Tensor):
                    self._note(one, affine)
        return result

    def _is_affine_kind(self, name: str, args: tuple[Any, ...], dependent: int) -> bool:
        if name in _LINEAR_IN_EACH:
            return dependent == 1
        if name == "div":
            return dependent == 1 and self._depends(args[0])
        if name == "where":
            return not self._depends(args[0])
        if name in _BATCH_NORMS:
            # In training mode the statistics depend on the input.
            return dependent == 1 and (name != "native_batch_norm" or args[5] is False)
        return name in _ADDITIVE

    def _depends(self, value: Any) -> bool:
        return isinstance(value, Tensor) and self._state(value) is not None

    def _state(self, tensor: Tensor) -> bool | None:
        """Tell whether a tensor is affine in the input; None if it does not depend on it."""
        storage, affine = self._seen.get(tensor.untyped_storage().data_ptr(), (None, False))
        # PyTorch's class has no type annotations.
        return None if storage is None or storage.expired() else affine  # type: ignore[no-untyped-call]

    def _note(self, tensor: Tensor, affine: bool) -> None:
        # A tensor that was not affine does not become affine when the model writes to it.
        affine = affine and self._state(tensor) is not False
        storage = tensor.untyped_storage()
        reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self._seen[storage.data_ptr()] = reference, affine


class _Exits(TorchFunctionMode):
    """Detects values that are taken out of tensors without an ATen operation."""

    def __init__(self, flow: ValueFlow) -> None:
        super().__init__()
        self._flow = flow

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call the function; record it if it takes values out of a tensor."""
        if getattr(func, "__name__", "") in _VALUE_READERS:
            self._flow.leaves(args[0])
        return func(*args, **(kwargs or {}))
