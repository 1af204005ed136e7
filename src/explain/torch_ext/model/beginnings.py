"""The operations of a PyTorch model that first change the values of its input."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from explain.backends.operations.first_operations import Beginnings
from explain.backends.operations.first_operations import unscaled_uses as uses_before_scaling
from explain.backends.operations.first_reads import EnoughRead, Read, Role, repeated
from explain.backends.operations.score_graph import names
from explain.inputs.examples import Examples
from explain.torch_ext.model.endings import MOVES
from explain.torch_ext.model.graph import name_of, operands_first, operands_of
from explain.torch_ext.model.opened import OpenedModel

_KINDS = Beginnings(
    moves=MOVES
    | names(
        "ConstantPadNd ReflectionPad2D ReplicationPad2D UpsampleBilinear2D UpsampleBilinear2DAa UpsampleBicubic2D "
        "UpsampleBicubic2DAa AvgPool2D AdaptiveAvgPool2D"
    ),
    shifts=names("Add Sub Rsub"),
    scales=names("Mul Div NativeBatchNorm CudnnBatchNorm MiopenBatchNorm"),
    operands_of=operands_of,
    name_of=name_of,
)


def unscaled_uses(opened: OpenedModel, examples: Examples) -> list[str] | None:
    """Name the operations that use the values of the input before these are scaled; None if none can be seen."""
    points = opened.tensors(examples.inputs, grad=True)
    output = opened.read(points, examples).source
    if output.grad_fn is None:
        return None
    nodes = operands_first(output.grad_fn)
    source = next((node for node in nodes if getattr(node, "variable", None) is points[0]), None)
    return None if source is None else uses_before_scaling(nodes, source, _KINDS)


# The number of extents by the name of the function.
_SLIDING = {
    f"{kind}{extents}d": extents
    for kind in ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
    for extents in (1, 2, 3)
}
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
# The last axis of the first operand, or of the second, is summed over.
_LINEAR = {"linear": 0, "matmul": 0, "__matmul__": 0, "mm": 0, "addmm": 1}


# So many weights tell two operations apart.
_SHOWN = 16


def reads_in(run: Callable[[], Any], most: int) -> list[Read]:
    """Run a model; give the inputs of the first operations that tell axes apart, at most as many."""
    reader = _Reader(most)
    with suppress(EnoughRead), reader:
        run()
    return reader.found


class _Reader(TorchFunctionMode):
    """Records the inputs of operations while it is entered."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.found: list[Read] = []
        self._most = most

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Record the input of an operation, and run it."""
        read = _read_by(getattr(func, "__name__", ""), args, kwargs or {})
        if read is not None:
            self.found.append(read)
            if len(self.found) == self._most:
                raise EnoughRead
        return func(*args, **(kwargs or {}))


def _read_by(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Read | None:
    operands = [*args, *kwargs.values()]
    place = _LINEAR.get(name, 0)
    tensor = operands[place] if len(operands) > place else None
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        return None
    roles = _roles_for(name, tensor.ndim, operands)
    if roles is None or len(roles) != tensor.ndim:
        return None
    values = tensor.detach().to("cpu", torch.float64).numpy().copy()
    return Read(roles, tuple(tensor.shape), values, _weights_of(operands, tensor))


def _weights_of(operands: Sequence[Any], tensor: Tensor) -> Hashable:
    """Give some of the weights of an operation: computed ones, as of a weight norm, are other tensors at each call."""
    others = (one for one in tree_leaves(operands) if isinstance(one, Tensor) and one is not tensor)
    weights = next((one for one in others if one.is_floating_point()), None)
    return None if weights is None else (*weights.shape, *weights.detach().flatten()[:_SHOWN].tolist())


def _roles_for(name: str, rank: int, operands: Sequence[Any]) -> tuple[Role, ...] | None:
    """Give the roles of the axes of an operation's input; None for an operation that does not tell them apart."""
    if name in _SLIDING:
        extents = repeated("S", _SLIDING[name])
        return ("N", "C", *extents) if rank == len(extents) + 2 else ("C", *extents)
    if name in _RECURRENT:
        # Packed sequences have their sizes second.
        is_packed = isinstance(operands[1], Tensor) and not operands[1].is_floating_point()
        return None if is_packed else ("N", "T", "C") if operands[-1] is True else ("T", "N", "C")
    if name == "multi_head_attention_forward":
        return ("T", "N", "C")
    if name in _LINEAR:
        return (*repeated("*", rank - 1), "F")
    return None
