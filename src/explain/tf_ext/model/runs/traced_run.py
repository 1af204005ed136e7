"""The operations of a model's run as they were traced once, copied into the traces of other computations.

Keras calls the code of every layer again in each trace, which takes ten times as long as a copy of its operations.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

# TensorFlow's own importer of graphs reads the same registry.
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.func_graph import FuncGraph

from explain.backends.operations.endings import Ending
from explain.backends.operations.score_graph import names
from explain.backends.question import Finding
from explain.inputs.layer_calls import RecordedCall
from explain.tf_ext.model.runs.replay import Step, replayed, steps_of

# Operations with a state whose copy computes what they compute: loops and functions are looked into.
_REPEATABLE = names(
    "ReadVariableOp VariableShape ResourceGather ResourceGatherNd While If Case StatefulPartitionedCall PartitionedCall"
)
# The attribute that names the gradient of an operation where it is not that of its kind.
_OWN_GRADIENT = "_gradient_op_type"
# The gradients of these need the trace that made them.
_CALLS = names(
    "While StatelessWhile StatefulPartitionedCall PartitionedCall If StatelessIf Case StatelessCase"
)
_ELEMENTWISE = names(
    "Identity Cast Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Exp Log Sqrt Rsqrt Square Abs Neg "
    "Add AddV2 Sub Mul RealDiv Maximum Minimum"
)
_BY_ROWS = names(
    "Conv2D Conv3D DepthwiseConv2dNative BiasAdd MaxPool AvgPool MaxPool3D AvgPool3D FusedBatchNormV3 MatMul"
)
# As many operations take as long one by one as in a trace.
_MOST_STEPS = 64
# A model with constants as large as this is not copied.
_MOST_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class TracedRun:
    """One run of the whole model, from its inputs to the explained output.

    Parameters
    ----------
    definition : GraphDef
        The operations.
    inputs : tuple of str
        The names of the points and of what is beside them, as flat tensors.
    captured : tuple of (tensor, str)
        The tensors from outside, such as variables, and their names in the trace.
    explained : str
        The name of the explained output.
    finding : Finding
        The finding about the score.
    ending : Ending, optional
        The activations at the end of the model, without the tensors of the trace.
    values : Mapping
        The names of values inside the model, by what was recorded of them.
    calls : tuple of (str, str)
        Each call of a layer: its name, and the name of its output; empty for an output that is not a map of the input.
    has_gradients : bool
        Whether a copy has the gradients of the run: a gradient of the model's own may read tensors of the first trace,
        and that of a called function is kept with it.
    """

    definition: Any
    inputs: tuple[str, ...]
    captured: tuple[tuple[Any, str], ...]
    explained: str
    finding: Finding
    ending: Ending | None
    values: Mapping[Any, str] = field(default_factory=dict)
    calls: tuple[tuple[str, str], ...] = ()
    has_gradients: bool = True
    _steps: dict[str, list[Step] | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        given: Any,
        explained: Any,
        finding: Finding,
        ending: Ending | None,
        values: Mapping[Any, Any],
        calls: Sequence[tuple[str, Any]],
    ) -> TracedRun | None:
        """Keep the run that was just traced; None if a copy of it might compute something else.

        Parameters
        ----------
        given : nested tensors
            The points, and what is beside them.
        explained : tensor
            The explained output.
        finding, ending
            As for the class.
        values : Mapping of object to tensor
            Values inside the model.
        calls : sequence of (str, tensor)
            The calls of layers and their outputs, None for one that is not a map of the input.
        """
        graph, flat = explained.graph, tf.nest.flatten(given)
        if graph is not tf.compat.v1.get_default_graph() or explained.op.type == "Placeholder":
            return None
        definition = graph.as_graph_def(add_shapes=True)
        if definition.ByteSize() > _MOST_BYTES or has_effects(definition):
            return None
        captured = tuple((outer, inner.name) for outer, inner in graph.captures)
        return cls(
            definition,
            tuple(tensor.name for tensor in flat),
            captured,
            explained.name,
            finding,
            ending,
            {key: tensor.name for key, tensor in values.items()},
            tuple((name, "" if output is None else output.name) for name, output in calls),
            not any(node.op in _CALLS or _OWN_GRADIENT in node.attr for node in nodes_of(definition)),
        )

    def noted(self, points: tuple[Any, ...], beside: Any) -> list[RecordedCall] | None:
        """Give the name of every layer and the shape of its output for given tensors; None if a number of rows is open.

        Nothing runs: outputs have a row for each point, or TensorFlow computes the shapes of copied operations.
        """
        nodes, ranks = {node.name: node for node in self.definition.node}, self._ranks(len(points))

        def rows_kept(name: str) -> tuple[int, ...]:
            operation, _, place = name.partition(":")
            sizes = _sizes(nodes[operation], int(place)) if ranks.get(operation) else ()
            return (points[0].shape[0], *sizes[1:]) if sizes and -1 not in sizes[1:] else ()

        known: list[RecordedCall] = [
            (name, rows_kept(output) if output else ()) for name, output in self.calls
        ]
        if all(shape for (_, output), (_, shape) in zip(self.calls, known, strict=True) if output):
            return known
        return self._noted_in_copy((points, beside))

    def _noted_in_copy(self, given: Any) -> list[RecordedCall] | None:
        graph = FuncGraph("noted")
        with graph.as_default():
            flat = [tf.compat.v1.placeholder(one.dtype, one.shape) for one in tf.nest.flatten(given)]
            outputs = iter(self.copied(flat, [name for _, name in self.calls if name] or [self.explained]))
            shapes = [next(outputs).shape if output else tf.TensorShape(()) for _, output in self.calls]
        if any(shape.rank is None or (shape.rank and shape[0] is None) for shape in shapes):
            return None
        return [(name, tuple(shape)) for (name, _), shape in zip(self.calls, shapes, strict=True)]

    def copied(
        self, given: Any, wanted: Sequence[str] = (), replaced: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Copy the operations into the trace that is being made; give some tensors, by default the explained output.

        A tape does not see copied operations: gradients are those of the graph.

        Parameters
        ----------
        given : nested tensors
            The points, and what is beside them.
        wanted : sequence of str
            The names of the tensors.
        replaced : Mapping of str to tensor, optional
            What stands in the place of tensors.
        """
        graph, names_wanted = tf.compat.v1.get_default_graph(), list(wanted or [self.explained])
        outside = {inner: outer for outer, inner in self.captured}
        known = dict(zip(self.inputs, tf.nest.flatten(given), strict=True)) | dict(replaced or {})
        part, used = self._part([name for name in names_wanted if name not in known], {*known, *outside})
        stands_for = {
            name: known[name] if name in known else graph.capture(outside[name]) for name in sorted(used)
        }
        new = [name for name in names_wanted if name not in known]
        made = iter(
            tf.graph_util.import_graph_def(part, input_map=stands_for, return_elements=new, name="copied")
            if new
            else ()
        )
        return [known[name] if name in known else next(made) for name in names_wanted]

    def replayed(self, given: Any, wanted: str) -> Any:
        """Run the operations again that a tensor needs, one by one; None if they are many, or one calls a function.

        Parameters
        ----------
        given : nested tensors
            The points, and what is beside them. A tape that watches them sees what runs.
        wanted : str
            The name of the tensor.
        """
        outside = {inner: outer for outer, inner in self.captured}
        known = outside | dict(zip(self.inputs, tf.nest.flatten(given), strict=True))
        if wanted not in self._steps:
            part, _ = self._part([wanted], set(known))
            count = sum(node.op != "Const" for node in part.node)
            self._steps[wanted] = steps_of(part) if count <= _MOST_STEPS else None
        steps = self._steps[wanted]
        return None if steps is None else replayed(steps, known, wanted)

    def keeps_rows(self, name: str, points: int) -> bool:
        """Tell whether every operation from the points, as many inputs, to a tensor keeps its rows in their order."""
        return bool(self._ranks(points).get(name.partition(":")[0]))

    def _ranks(self, points: int) -> dict[str, int]:
        """Give the ranks of the operations that depend on the points; 0 where rows may be in another order."""
        nodes = {node.name: node for node in self.definition.node}
        sources = {one.partition(":")[0] for one in self.inputs[:points]}
        ranks = {one: len(nodes[one].attr["shape"].shape.dim) for one in sources}
        # The operations are in their order: operands come first.
        for node in self.definition.node:
            operands = [one.lstrip("^").partition(":")[0] for one in node.input]
            moving = [place for place, one in enumerate(operands) if one in ranks]
            if not moving:
                continue
            rank = len(_sizes(node))
            if _keeps_size(node, nodes):
                kept = moving[0] == 0 and ranks[operands[0]] > 0
            else:
                kept = all(ranks[operands[place]] == rank for place in moving) and _keeps_rows(node, moving)
            ranks[node.name] = rank if kept else 0
        return ranks

    def _part(self, wanted: Sequence[str], given: set[str]) -> tuple[Any, set[str]]:
        """Give the operations that tensors need beyond given ones, and the given ones that are needed."""
        nodes = {node.name: node for node in self.definition.node}
        needed: set[str] = set()
        used: set[str] = set()
        left = [name.partition(":")[0] for name in wanted]
        while left:
            name = left.pop()
            if name in needed:
                continue
            needed.add(name)
            for operand in nodes[name].input:
                tensor = operand if ":" in operand or operand[0] == "^" else f"{operand}:0"
                if tensor in given:
                    used.add(tensor)
                else:
                    left.append(operand.lstrip("^").partition(":")[0])
        part = type(self.definition)(versions=self.definition.versions)
        part.node.extend(node for node in self.definition.node if node.name in needed)
        part.library.CopyFrom(self.definition.library)
        return part, used


def values_by_place(calls: Sequence[tuple[Any, str, Any]]) -> dict[Any, Any]:
    """Give values by the layer, a part of it, and the number of the call.

    Parameters
    ----------
    calls : sequence of (layer, str, tensor)
        Weak references to layers, names of parts, and their values in the order of the calls.
    """
    found: dict[Any, Any] = {}
    counts: dict[tuple[weakref.ref[Any], str], int] = {}
    for layer, part, value in calls:
        number = counts.get((layer, part), 0)
        counts[layer, part] = number + 1
        found[layer, part, number] = value
    return found


def _sizes(node: Any, place: int = 0) -> tuple[int, ...]:
    """Give the sizes of a result that the trace knows, -1 for one that it leaves open; none without a rank."""
    shapes = node.attr["_output_shapes"].list.shape
    known = len(shapes) > place and not shapes[place].unknown_rank
    return tuple(one.size for one in shapes[place].dim) if known else ()


def _keeps_size(node: Any, nodes: Mapping[str, Any]) -> bool:
    """Tell whether an operation gives the values of each row of its operand another shape, with one open size."""
    if node.op != "Reshape":
        return False
    operand, _, place = node.input[0].partition(":")
    before, after = _sizes(nodes[operand], int(place or 0))[1:], _sizes(node)[1:]
    return (
        bool(before and after) and -1 not in (*before, *after) and math.prod(before) == math.prod(after) > 0
    )


def _keeps_rows(node: Any, moving: Sequence[int]) -> bool:
    """Tell whether an operation, of operands at these places that depend on the points, keeps rows in their order."""
    if node.op in _ELEMENTWISE:
        return True
    trains = node.op == "FusedBatchNormV3" and node.attr["is_training"].b
    is_turned = node.op == "MatMul" and node.attr["transpose_a"].b
    # What else it takes, such as weights, is the same for every row.
    return node.op in _BY_ROWS and list(moving) == [0] and not trains and not is_turned


def has_effects(definition: Any) -> bool:
    """Tell whether operations may change anything, or compute something else the next time."""
    return not all(map(_is_repeatable, nodes_of(definition)))


def nodes_of(definition: Any) -> Iterator[Any]:
    """Give the operations of a graph, and those of the functions that it has."""
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _is_repeatable(node: Any) -> bool:
    """Tell whether a copy of an operation computes the same and changes nothing."""
    if node.op in _REPEATABLE:
        return True
    kind = op_def_registry.get(node.op)
    # A function that is called by its name has no kind.
    return kind is not None and not kind.is_stateful
