"""Traced functions that run as they were traced, without TensorFlow's optimizer of graphs.

The optimizer takes half as long as a trace, and gains at most a tenth of a run's time, for loops a third: nothing that
can be measured where inputs are small. In half precision it removes roundings.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

# TensorFlow's public interface sets how functions are optimized in all threads, and for good.
from tensorflow.python.eager import context as eager_context

from explain.tf_ext.model.runs.traced_run import nodes_of

# With more bytes of inputs, or for more points, a run takes as long as its optimization.
_FEW = 2**22

FEW_POINTS = 64
"""The number of points up to which a run takes less time than to prepare it."""

_state = threading.local()

_LOOPS = frozenset({"While", "StatelessWhile"})
_HALVES = frozenset({tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum})


def unoptimized_for_few(function: Callable[..., Any], definition: Any) -> Callable[..., Any]:
    """Give a traced function that is optimized for many bytes of inputs or many points only.

    It is given as it is if it has loops or computes in half precision.

    The size decides and not the number of runs: an optimized run may round otherwise, and the same call gives the same
    numbers.

    Parameters
    ----------
    function : callable
        The traced function.
    definition : GraphDef
        Its graph.
    """
    if any(map(_gains, nodes_of(definition))):
        return function

    def run(*tensors: Any) -> Any:
        size = sum(one.dtype.size * one.shape.num_elements() for one in tensors)
        if size > _FEW or getattr(_state, "points", 1) > FEW_POINTS:
            return function(*tensors)
        with unoptimized():
            return function(*tensors)

    return run


def _gains(node: Any) -> bool:
    """Tell whether the optimizer gains much by an operation, in time or in precision."""
    return node.op in _LOOPS or (node.op == "Cast" and node.attr["DstT"].type in _HALVES)


@contextmanager
def of_points(count: int) -> Iterator[None]:
    """Run functions in this thread that make so many points from their inputs."""
    _state.points = count
    try:
        yield
    finally:
        _state.points = 1


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
