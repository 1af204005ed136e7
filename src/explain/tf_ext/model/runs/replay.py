"""The operations of a traced run, run again one by one: for a few runs, that takes less time than another trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

# The functions of TensorFlow's operations are written with these.
from tensorflow.python.eager import context as eager_context
from tensorflow.python.eager import execute

# TensorFlow's own importer of graphs reads the same registry.
from tensorflow.python.framework import op_def_registry

# The fields of an attribute's value that a list may hold.
_OF_A_LIST = ("s", "i", "f", "b", "type", "shape")


@dataclass(frozen=True)
class Step:
    """An operation that is run again.

    Parameters
    ----------
    name, kind : str
        The name of the operation in the trace, and of its kind.
    operands : tuple of str
        The names of its operands.
    attributes : tuple
        The names of its attributes, each before its value.
    count : int
        The number of its results.
    constant : tensor, optional
        The result of a constant, which has no operands.
    """

    name: str
    kind: str
    operands: tuple[str, ...] = ()
    attributes: tuple[Any, ...] = ()
    count: int = 1
    constant: Any = None


def steps_of(definition: Any) -> list[Step] | None:
    """Give the operations of a definition, in their order; None if one of them calls a function."""
    steps = [_step_of(node) for node in definition.node]
    found = [step for step in steps if step is not None]
    return found if len(found) == len(steps) else None


def replayed(steps: Sequence[Step], known: Mapping[str, Any], wanted: str) -> Any:
    """Run operations again; give a tensor of theirs.

    Parameters
    ----------
    steps : sequence of Step
        The operations.
    known : Mapping of str to tensor
        What they are given. A tape that watches them sees what runs.
    wanted : str
        The name of the tensor.
    """
    context, values = eager_context.context(), dict(known)
    for step in steps:
        if step.constant is not None:
            values[f"{step.name}:0"] = step.constant
            continue
        given = [values[name] for name in step.operands]
        results = execute.execute(step.kind, step.count, given, step.attributes, context)
        if execute.must_record_gradient():
            execute.record_gradient(step.kind, given, step.attributes, results)
        values.update((f"{step.name}:{place}", result) for place, result in enumerate(results))
    return values[wanted]


def _step_of(node: Any) -> Step | None:
    if node.op == "Const":
        return Step(node.name, node.op, constant=tf.constant(tf.make_ndarray(node.attr["value"].tensor)))
    kind = op_def_registry.get(node.op)
    if kind is None:
        return None
    attributes: list[Any] = []
    for attribute in kind.attr:
        value = node.attr[attribute.name]
        if value.WhichOneof("value") == "func" or value.list.func:
            return None
        attributes += [attribute.name, _value_of(value)]
    operands = (one if ":" in one else f"{one}:0" for one in node.input if one[0] != "^")
    count = sum(_count_of(result, node) for result in kind.output_arg)
    return Step(node.name, node.op, tuple(operands), tuple(attributes), count)


def _count_of(result: Any, node: Any) -> int:
    """Give how many tensors a result is."""
    if result.number_attr:
        return int(node.attr[result.number_attr].i)
    return len(node.attr[result.type_list_attr].list.type) if result.type_list_attr else 1


def _value_of(value: Any) -> Any:
    """Give the value of an attribute as TensorFlow's functions of operations give it on."""
    kind = value.WhichOneof("value")
    if kind != "list":
        return _plain(getattr(value, kind), kind)
    held = next((of for of in _OF_A_LIST if getattr(value.list, of)), None)
    return [] if held is None else [_plain(one, held) for one in getattr(value.list, held)]


def _plain(value: Any, kind: str) -> Any:
    return tf.TensorShape(value) if kind == "shape" else value
