"""Whether a tokenizer fits a model: its ids have vectors, and the padding of shorter texts changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.backends.embeddings.readers import is_embedding
from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import InputError, TargetError, UnsupportedModelError
from explain.inputs.examples import Examples
from explain.inputs.text.batch import Texts

# Of the largest output: far above the differences of sums in another order, far below those of padding that is read.
_TOLERANCE = 1e-3


def check_vocabulary(model: Any, backend: Backend, texts: Texts) -> None:
    """Refuse ids, and positions, without a vector: a device may read zeros there, without an error.

    Raises
    ------
    UnsupportedModelError
        If the model has no embedding.
    InputError
        If an id, or a position, is beyond the table of vectors.
    TargetError
        If an id of a continuation is.
    """
    layers: Mapping[str, Any] = getattr(backend, "named_layers", {})
    tables = [count for layer in layers.values() if is_embedding(layer) and (count := _rows(layer))]
    if not tables:
        raise UnsupportedModelError(
            f"x has strings, but {type(model).__name__} has no embedding layer that gives each token a vector: explain "
            "a model with one (nn.Embedding, keras.layers.Embedding), or give the numbers that this model takes as x."
        )
    longest = texts.ids.shape[1]
    places = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if isinstance(places, int) and longest > places and places in tables:
        place = int(texts.mask.sum(axis=1).argmax())
        raise InputError(
            f"x[{place}] has {longest} tokens, but {type(model).__name__} has vectors for {places} positions: shorten "
            "the text, or explain parts of it."
        )
    own = getattr(model, "get_input_embeddings", None)
    most = (_rows(own()) if callable(own) else None) or max(tables)
    greatest = int(texts.ids.max())
    if greatest >= most:
        rows = f"the embedding of {type(model).__name__} has {most} rows, for ids from 0 to {most - 1}"
        place, step = np.argwhere(texts.ids == greatest)[0]
        if not texts.mask[place, step] and greatest != texts.tokenizer.padding:
            raise TargetError(
                f"target has the id {greatest} in a continuation, but {rows}: give ids of this model."
            )
        raise InputError(
            f"tokenizer gives the id {greatest}, {_name(texts, greatest)}, but {rows}: give the tokenizer that belongs "
            "to this model."
        )


def check_padding(backend: LayeredBackend, texts: Texts, companions: Mapping[str, Any]) -> None:
    """Refuse shorter texts beside longer ones if the model reads their padding.

    The shortest text is run with its padding and without.

    Raises
    ------
    InputError
        If the outputs differ.
    """
    shortest = int(texts.mask.sum(axis=1).argmin())
    count = int(texts.mask[shortest].sum())
    row = slice(shortest, shortest + 1)
    beside = {name: array[row] for name, array in companions.items()}
    cut = {
        name: array[:, :count] if array.shape[1:2] == texts.ids.shape[1:] else array
        for name, array in beside.items()
    }
    padded, _ = backend.outputs(Examples((texts.ids[row],), companions=beside))
    alone, _ = backend.outputs(Examples((texts.ids[row, :count],), companions=cut))
    if padded.ndim > 2 and padded.shape[1] == texts.ids.shape[1]:
        # Outputs of each token: those of padding are not explained.
        padded = padded[:, :count]
    if padded.shape == alone.shape and np.abs(padded - alone).max() <= _TOLERANCE * np.abs(alone).max():
        return
    counts = texts.mask.sum(axis=1)
    raise InputError(
        f"x has texts of {counts.min()} to {counts.max()} tokens. The model takes no attention_mask, and its output "
        f"for x[{shortest}] changes when that text is padded: give texts of one length together, or a tokenizer that "
        "pads as in training."
    )


def _rows(layer: Any) -> int | None:
    """Give the number of vectors in the table of an embedding."""
    for name in ("num_embeddings", "input_dim"):
        found = getattr(layer, name, None)
        if isinstance(found, int):
            return found
    return None


def _name(texts: Texts, token: int) -> str:
    """Name a token by an example in which it is."""
    place, step = np.argwhere(texts.ids == token)[0]
    if not texts.mask[place, step]:
        return "its padding"
    return f"for {texts.texts[place].tokens[step].name!r} in x[{place}]"
