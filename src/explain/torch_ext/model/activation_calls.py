"""Runs of a PyTorch model in which other functions replace the activations at its end.

The autograd graph shows these activations, but holds too little to compute the output again without them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explain.backends.operations.endings import ActivationKind, Ending

# The functions that call an activation, by the name that all their forms have.
_FUNCTIONS: Mapping[str, ActivationKind] = {
    "softmax": "softmax",
    "special_softmax": "softmax",
    "log_softmax": "log_softmax",
    "special_log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
    "special_expit": "sigmoid",
    "logsigmoid": "log_sigmoid",
    "log_sigmoid": "log_sigmoid",
}


# A tensor: its node in the autograd graph, and the number of the node's output.
_Edge = tuple[Any, int]


@dataclass(frozen=True)
class End:
    """How to run a model so that its output has the wanted kind of score.

    Parameters
    ----------
    replaced : tuple of int
        The numbers of the calls of activations that are replaced.
    ending : Ending, optional
        The end of the model with them: a run without them that has other steps is not the same model.
    records : bool
        Whether the calls of activations are recorded.
    is_final : bool
        Whether the end is known, so that no further run is needed.
    is_old : bool
        Whether it was found in an earlier call, perhaps for an input of another length.
    """

    replaced: tuple[int, ...] = ()
    ending: Ending | None = None
    records: bool = False
    is_final: bool = False
    is_old: bool = False

    @property
    def after_failure(self) -> End:
        """How to run the model after a run that was not as expected."""
        return UNKNOWN if self.is_old else KEPT


UNKNOWN, RECORDING, KEPT = End(), End(records=True), End(is_final=True)

_known_ends: weakref.WeakKeyDictionary[Any, dict[Any, End]] = weakref.WeakKeyDictionary()


def known_end(model: Any, output: Any) -> End:
    """Give the end of a model that an earlier call found for an output; each run with a graph checks it again."""
    return _known_ends[model].get(output, UNKNOWN) if model in _known_ends else UNKNOWN


def remember_end(model: nn.Module, output: Any, end: End) -> None:
    """Keep the end of a model for later calls."""
    if end.replaced:
        _known_ends.setdefault(model, {})[output] = replace(end, is_old=True)


@dataclass(eq=False)
class ActivationCalls(TorchFunctionMode):
    """Numbers the calls of softmax, sigmoid and their logarithms, as layers or functions, and replaces some of them.

    Parameters
    ----------
    replaced : collection of int
        The numbers of the calls to replace.
    function : callable
        From the kind of activation, its input and its axis to the replacement.
    """

    replaced: Collection[int]
    function: Callable[[ActivationKind, Tensor, int], Tensor]
    made: dict[int, _Edge] = field(default_factory=dict)
    """The tensor that each call gave, if it has a gradient."""
    ends: dict[_Edge, ActivationKind] = field(default_factory=dict)
    """The replacements."""

    def __post_init__(self) -> None:
        """Prepare the mode."""
        super().__init__()
        self._count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of PyTorch, or its replacement."""
        given = kwargs or {}
        kind = _FUNCTIONS.get(getattr(func, "__name__", ""))
        if kind is None:
            return func(*args, **given)
        number, self._count = self._count, self._count + 1
        if number not in self.replaced:
            result = func(*args, **given)
            if isinstance(result, Tensor) and result.grad_fn is not None:
                self.made[number] = (result.grad_fn, result.output_nr)
            return result
        logits: Any = args[0] if args else given.get("input", given.get("self"))
        axis = args[1] if len(args) > 1 else given.get("dim")
        if axis is None:
            axis = 0 if logits.ndim in (0, 1, 3) else 1
        dtype = given.get("dtype")
        result = self.function(kind, logits if dtype is None else logits.to(dtype), axis)
        if result.grad_fn is not None:
            self.ends[result.grad_fn, result.output_nr] = kind
        return result


def without_graph(ending: Ending | None) -> Ending | None:
    """Give an ending that does not keep the autograd graph in memory."""
    return None if ending is None else replace(ending, activations=())
