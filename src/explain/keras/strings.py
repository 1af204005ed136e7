"""How a Keras model reads strings: the layers that look them up, and the inputs that are split into tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from explain.inputs.text.spelling import Splitting, StringReaders
from explain.keras.layers import derives_from, layers_of

_SEPARATORS = {"whitespace": " ", "character": ""}

# So many strings of each vocabulary: an input may have one of them already.
_OF_EACH = 2


def string_readers(model: Any) -> StringReaders | None:
    """Give how a Keras model reads strings; None if it reads none.

    Parameters
    ----------
    model : keras.Model
        The model.
    """
    layers = layers_of(model)
    names = _names_of_string_inputs(model)
    looks_up = any(derives_from(layer, kind) for layer in layers for kind in ("StringLookup", "Hashing"))
    splitters = [layer for layer in layers if derives_from(layer, "TextVectorization")]
    if not names and not looks_up and not splitters:
        return None
    words = dict.fromkeys(word for layer in layers for word in _words_of(layer))
    splittings: dict[str | None, Splitting] = {}
    for layer in splitters:
        splitting = _splitting_of(layer)
        if splitting is not None:
            fed: list[str | None] = [*_inputs_of(model, layer, names)]
            splittings.update(dict.fromkeys(fed or [None], splitting))
    inputs = getattr(model, "inputs", None) or []
    return StringReaders(tuple(words), splittings, tuple(str(one.name) for one in inputs))


def _names_of_string_inputs(model: Any) -> list[str]:
    inputs = getattr(model, "inputs", None) or []
    return [str(one.name) for one in inputs if str(getattr(one, "dtype", "")) == "string"]


def _words_of(layer: Any) -> list[str]:
    """Give some strings of a layer's vocabulary, without those that stand for padding or any other string."""
    listed = getattr(layer, "get_vocabulary", None)
    if not callable(listed) or not callable(layer):
        return []
    try:
        known = listed(include_special_tokens=False)
    except Exception:  # A vocabulary that was never learned, or a layer of another kind.
        return []
    return [str(one) for one in known if isinstance(one, str)][:_OF_EACH]


def _splitting_of(layer: Any) -> Splitting | None:
    """Give how a TextVectorization splits; None if it does so in the user's own way, or not at all."""
    settings = layer.get_config()
    split = settings.get("split")
    separator = _SEPARATORS.get(split) if isinstance(split, str) else None
    if separator is None:
        return None
    in_order = settings.get("output_mode") == "int" and not settings.get("ngrams")
    if not in_order:
        return Splitting(separator, in_order=False)
    return Splitting(separator, settings.get("output_sequence_length"), _counter(layer))


def _counter(layer: Any) -> Callable[[Sequence[str]], Sequence[int]]:
    def count(strings: Sequence[str]) -> list[int]:
        found = np.asarray(layer(np.array(strings, dtype=object)[:, None]))
        numbers: list[int] = (found.reshape(len(strings), -1) != 0).sum(axis=1).tolist()
        return numbers

    return count


def _inputs_of(model: Any, layer: Any, names: Sequence[str]) -> list[str]:
    """Give the names of a model's inputs of strings that reach a layer; none if the model does not show it."""
    inputs = {id(one): str(one.name) for one in getattr(model, "inputs", None) or []}
    if len(names) < 2:
        return []
    return [inputs[id(one)] for one in _sources(layer) if id(one) in inputs]


def _sources(layer: Any) -> Iterator[Any]:
    """Give the tensors from which a layer's input was made, when the model was built."""
    left = [one for node in layer._inbound_nodes for one in node.input_tensors]
    seen: set[int] = set()
    while left:
        tensor = left.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        yield tensor
        made = getattr(tensor, "_keras_history", None)
        if made is not None and made.operation is not None:
            left += made.operation._inbound_nodes[made.node_index].input_tensors
