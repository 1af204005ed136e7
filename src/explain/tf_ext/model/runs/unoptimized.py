"""Traced functions that run as they were traced, without TensorFlow's optimizer of graphs.

The optimizer takes half as long as a trace, and gains at most a tenth of a run's time, for loops a third: nothing that
can be measured where inputs are small. In half precision it removes roundings.

On a CPU it fuses a convolution, a sum and a leaky ReLU, which then has the slope 0.2 whatever the model says (seen in
TensorFlow 2.21, also in ``model.predict``). Functions with another slope are not fused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2

# TensorFlow's public interface sets how functions are optimized in all threads, and for good.
from tensorflow.python.eager import context as eager_context

from explain.tf_ext.model.runs.traced_run import nodes_of

# With more bytes of inputs, or for more points, a run takes as long as its optimization.
_FEW = 2**22

FEW_POINTS = 64
"""The number of points up to which a run takes less time than to prepare it."""

_state = threading.local()

_LOOPS = frozenset({"While", "StatelessWhile"})
# The only slope that an operation fused by the optimizer is sure to have.
_SLOPE = np.float32(0.2)
_HALVES = frozenset({tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum})


def optimized_where_right(
    function: Callable[..., Any], definition: Any, *, small_runs: bool = False
) -> Callable[..., Any]:
    """Give a traced function that the optimizer prepares only where that leaves its values and saves time.

    Parameters
    ----------
    function : callable
        The traced function.
    definition : GraphDef
        Its graph.
    small_runs : bool
        Whether runs of few bytes and points are optimized, too; they are if the function has loops or computes in half
        precision. The size decides and not the number of runs: an optimized run may round otherwise, and the same call
        gives the same numbers.
    """
    nodes = list(nodes_of(definition))
    fuses = not any(map(_is_fused_wrongly, nodes))
    small_runs = small_runs or any(map(_gains, nodes))
    if fuses and small_runs:
        return function

    def run(*tensors: Any) -> Any:
        size = sum(one.dtype.size * one.shape.num_elements() for one in tensors)
        if small_runs or size > _FEW or getattr(_state, "points", 1) > FEW_POINTS:
            with nullcontext() if fuses else _options(_without_fusing):
                return function(*tensors)
        with unoptimized():
            return function(*tensors)

    return run


def _is_fused_wrongly(node: Any) -> bool:
    """Tell whether an operation may have another value once it is fused."""
    return node.op == "LeakyRelu" and np.float32(node.attr["alpha"].f) != _SLOPE


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


def unoptimized() -> AbstractContextManager[None]:
    """Run functions in this thread as they were traced: TensorFlow prepares a function once for each way to run it."""
    return _options(_without_optimizer)


@contextmanager
def _options(changed: Callable[[bytes], config_pb2.ConfigProto]) -> Iterator[None]:
    context = eager_context.context()
    before = context.function_call_options
    context.function_call_options = eager_context.FunctionCallOptions(
        before.executor_type, changed(before.config_proto_serialized)
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


@lru_cache(maxsize=8)
def _without_fusing(serialized: bytes) -> config_pb2.ConfigProto:
    config = config_pb2.ConfigProto.FromString(serialized)
    config.graph_options.rewrite_options.remapping = rewriter_config_pb2.RewriterConfig.OFF
    return config
