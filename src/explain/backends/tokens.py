"""Token ids: a model that reads them is explained at the output of its embedding, with one number per token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from explain.backends.chunks import row_chunks
from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import BaselineError, InputError
from explain.inputs.baseline import resolve_baseline
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import LayerCall
from explain.inputs.layout import Layout
from explain.inputs.masking import Mask

_EMBEDDINGS = ("Embedding", "EmbeddingBag")
# The vectors are small compared with the model's activations.
_AT_ONCE = 256


@dataclass(frozen=True)
class Tokens:
    """A batch of token ids, and the embedding that reads them.

    Parameters
    ----------
    ids : numpy.ndarray of int64
        Shape (N, T), or (N,).
    call : LayerCall
        The embedding.
    layout : Layout
        Axes of the embedding's output, batch first.
    padding : int
        The id of padding.
    vectors_of : callable
        Maps ids of that shape to the embedding's output, in the precision of points.
    """

    ids: Array
    call: LayerCall
    layout: Layout
    padding: int
    vectors_of: Callable[[Array], Array]

    def baseline(
        self, given: Any, vectors: Array, mask: Mask | None, bounds: tuple[float, float] | None, seed: int
    ) -> tuple[Array, Mapping[str, Any]]:
        """Give the vectors of the baseline, and the rule that it follows.

        None is the padding token, an integer is that token, an array of integers has one token per position;
        a rule or other numbers apply to the vectors.
        """
        values = np.asarray(self.padding if given is None else given) if not isinstance(given, str) else None
        if values is None or values.dtype.kind not in "iu":
            return resolve_baseline(given, vectors, self.layout, bounds=bounds, seed=seed, mask=mask)
        try:
            ids = np.broadcast_to(values, self.ids.shape).astype(np.int64)
        except ValueError as cause:
            raise BaselineError(
                f"baseline has shape {values.shape}, which does not broadcast to the {self.ids.shape} token ids: give "
                "one token for all positions, or one for each."
            ) from cause
        if mask is not None:
            ids = np.where(mask, ids, self.ids)
        rule = {"rule": "token", "id": int(values)} if values.ndim == 0 else {"rule": "tokens"}
        return self.vectors_of(ids), rule


def seen_as_tokens(
    backend: Backend, examples: Examples, layout: Layout
) -> tuple[Tokens, LayeredBackend, Examples]:
    """Start a model that reads token ids at its embedding; give the tokens, that model, and its examples.

    Raises
    ------
    InputError
        If no layer turns each of the ids into a vector.
    """
    (ids,) = examples.inputs
    whole = cast(LayeredBackend, backend)
    layers = {name: layer for name, layer in whole.named_layers.items() if is_embedding(layer)}
    call = next(
        (
            one
            for one in whole.layer_calls(examples)
            if one.name in layers and len(one.shape) == 2 and one.shape[0] == ids.shape[1]
        ),
        None,
    )
    if call is None:
        raise InputError(
            f"x has dtype {ids.dtype}, token ids, but no embedding of the model gives one vector for each of the "
            f"{ids.shape[1]} tokens. A layer that gives one vector for all of them, such as nn.EmbeddingBag, hides the "
            "tokens: explain a model with an embedding layer of the same weights in its place, and the mean or the sum "
            "of its vectors after it."
        )

    def vectors_of(other: Array) -> Array:
        return vectors_at(whole, call, examples.with_inputs((other,)))

    tokens = Tokens(ids, call, call.layout(layout), padding_id(layers[call.name]), vectors_of)
    return tokens, whole.at(call), examples.at_layer(vectors_of(ids), examples.mask)


def vectors_at(backend: LayeredBackend, call: LayerCall, examples: Examples) -> Array:
    """Give the output of an embedding for examples, shape (N, T, C), in the precision of points."""
    parts = [backend.activations(call, examples.rows(rows)) for rows in row_chunks(len(examples), _AT_ONCE)]
    return np.ascontiguousarray(np.concatenate(parts), dtype=backend.dtype)


def padding_id(embedding: object) -> int:
    """Give the id of padding."""
    return getattr(embedding, "padding_idx", None) or 0


def is_embedding(layer: object) -> bool:
    """Tell by its class whether a layer maps integers to vectors."""
    return any(base.__name__ in _EMBEDDINGS for base in type(layer).__mro__)
