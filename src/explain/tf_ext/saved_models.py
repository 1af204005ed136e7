"""SavedModels: graphs of TensorFlow's operations, looked through for those that reach outside before they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from explain.errors import ModelFileError

# Operations that reach files, the network or Python. Weights are written and read by functions of their own, which the
# model itself does not call. A table's words are read from a file beside the model by an operation that is not here.
_OUTSIDE = re.compile(
    r"(Eager)?PyFunc\w*|(Read|Write|Delete)File|MatchingFiles|Save(V2|Slices|Dataset\w*)?|DistributedSave|"
    r"Restore(V2|Slice)?|MergeV2Checkpoints|Write\w*Summary|Create(Summary\w*Writer)|\w*Reader(V2)?|Reader\w+|"
    r"\w*(TextLine|TFRecord|FixedLengthRecord|CSV|Sql|LMDB|Snapshot|DataService|BigQuery|Cache)Dataset\w*|"
    r"LoadDataset|DatasetToTFRecord|PrintV2|Print|Debug\w+|Rpc\w*|_?Send|_?Recv|_HostSend|_HostRecv"
)


def read_saved_model(path: Path) -> Any:
    """Read the folder of a SavedModel, whose graph may compute and do nothing else.

    Parameters
    ----------
    path : pathlib.Path
        The folder that `tf.saved_model.save`, ``model.export`` of Keras 3 or ``model.save`` of Keras 2 wrote.

    Returns
    -------
    object
        What `tf.saved_model.load` gives: it is called itself if it can be, else by its signature
        ``serving_default``.

    Raises
    ------
    ModelFileError
        If it is damaged, its graph reads or writes files, or no single function of it is the model.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString((path / "saved_model.pb").read_bytes())
        graphs = list(message.meta_graphs)
    except Exception as cause:
        raise _damaged(path, cause) from cause
    if not graphs:
        raise ModelFileError(f"{path} has a saved_model.pb without a model in it: save it again.")
    outside = sorted({kind for graph in graphs for kind in _used(graph) if _OUTSIDE.fullmatch(kind)})
    if outside:
        raise ModelFileError(
            f"{path} is a SavedModel whose graph runs {', '.join(outside)}, which may reach files, the network or "
            "Python when the model is read or called: export the model without them, or load it in a program of your "
            "own, and give explain.attribute what that gives."
        )
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as cause:
        raise _damaged(path, cause) from cause
    signatures = list(getattr(loaded, "signatures", ()))
    if not callable(loaded) and "serving_default" not in signatures and len(signatures) != 1:
        named = f"the signatures {', '.join(map(repr, signatures))}" if signatures else "no signature"
        raise ModelFileError(
            f"{path} is a SavedModel with {named} and no function of the model itself, so which one is the model "
            "cannot be told: save it with a signature 'serving_default', or give explain.attribute one of the "
            "functions that tf.saved_model.load gives."
        )
    return loaded


def _damaged(path: Path, cause: Exception) -> ModelFileError:
    line = str(cause).strip().partition("\n")[0][:300]
    return ModelFileError(
        f"{path} is a damaged or incomplete SavedModel ({type(cause).__name__}: {line}): copy the whole folder, with "
        "variables/ in it, or export the model again."
    )


def _used(graph: Any) -> set[str]:
    """Give the kinds of operations that run when a model is read or called, in its functions and what they call."""
    functions = {one.signature.name: one for one in graph.graph_def.library.function}
    roots = set(graph.object_graph_def.concrete_functions)
    kinds: set[str] = set()
    waiting = list(roots)
    if not graph.HasField("object_graph_def"):
        # A model of TensorFlow 1 is a single graph, of which the signatures are parts.
        nodes = _computed(graph)
        kinds |= {node.op for node in nodes}
        waiting = list(_called(nodes, functions))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        nodes = functions[name].node_def
        kinds |= {node.op for node in nodes}
        waiting += _called(nodes, functions)
    return kinds


def _called(nodes: Iterable[Any], functions: Any) -> Iterator[str]:
    """Give the names of the functions that some operations call."""
    for node in nodes:
        if node.op in functions:
            yield node.op
        for value in node.attr.values():
            if value.func.name:
                yield value.func.name
            yield from (one.name for one in value.list.func)


def _computed(graph: Any) -> list[Any]:
    """Give the operations of a graph of TensorFlow 1 that its signatures and its start compute."""
    nodes = {node.name: node for node in graph.graph_def.node}
    waiting = [
        tensor.name for signature in graph.signature_def.values() for tensor in signature.outputs.values()
    ]
    for key in ("saved_model_main_op", "legacy_init_op", "saved_model_initializers"):
        waiting += graph.collection_def[key].node_list.value if key in graph.collection_def else ()
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop().lstrip("^").partition(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name]
            waiting += nodes[name].input
    return list(found.values())
