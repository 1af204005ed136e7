"""The first runs of a traced function, which do without TensorFlow's optimizer of graphs.

The optimizer takes half as long as the trace, and gains a tenth of a run's time, for loops a third: it is worth its
time for a function that runs often, or for much data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from tensorflow.core.protobuf import config_pb2

# TensorFlow's public interface sets how functions are optimized in all threads, and for good.
from tensorflow.python.eager import context as eager_context

# As many as a call of few points has. They are counted and not timed: an optimized run may round otherwise, and the
# same calls in the same order give the same numbers.
_RUNS = 5
# With more bytes of inputs, a run takes as long as its optimization.
_BYTES = 2**22


class FirstRuns:
    """A traced function without effects, which is optimized after its first runs.

    Parameters
    ----------
    function : callable
        The traced function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._runs, self._bytes = _RUNS, _BYTES

    def __call__(self, *tensors: Any) -> Any:
        """Run the function."""
        if self._runs <= 0:
            return self._function(*tensors)
        self._runs -= 1
        self._bytes -= sum(one.dtype.size * one.shape.num_elements() for one in tensors)
        if self._bytes < 0:
            self._runs = 0
            return self._function(*tensors)
        with unoptimized():
            return self._function(*tensors)


@contextmanager
def unoptimized() -> Iterator[None]:
    """Run functions in this thread as they were traced: TensorFlow prepares a function once for each way to run it."""
    context = eager_context.context()
    before = context.function_call_options
    context.function_call_options = eager_context.FunctionCallOptions(
        before.executor_type, _without_optimizer(before.config_proto_serialized)
    )
    try:
        yield
    finally:
        context.function_call_options = before


@lru_cache(maxsize=8)
def _without_optimizer(serialized: bytes) -> config_pb2.ConfigProto:
    config = config_pb2.ConfigProto.FromString(serialized)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config
