"""`names_transformer` in TensorFlow (Keras). `explain.torch_ext.zoo.names_transformer` contains its twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from explain.zoo.seed_models import MASKED_SCORE, TRANSFORMER_BLOCKS, TRANSFORMER_HEADS


class NamesTransformer(keras.Model):
    """A transformer on the letters of a name: (N, T) token ids to (N, 18) logits.

    Parameters
    ----------
    layers : sequence of keras.layers.Layer
        The layers of `explain.zoo.seed_models.NAMES_TRANSFORMER`.
    dtype : {"float32", "float64"}
        Precision of its parameters.

    Examples
    --------
    >>> from explain.tf_ext.zoo.seed_models import build
    >>> tuple(build("names_transformer")(np.array([[8, 5, 0], [1, 2, 3]])).shape)
    (2, 18)
    """

    def __init__(self, layers: Sequence[Any], dtype: str = "float32") -> None:
        """Take the layers and build, by a first call, their untrained weights."""
        super().__init__(name="names_transformer", dtype=dtype)
        for layer in layers:
            setattr(self, layer.name, layer)
        self(np.ones((1, 2), np.int64))

    def call(self, ids: Any) -> Any:
        """Classify names: letters as their places in the alphabet, from 1, to logits; 0 is padding."""
        read = ops.not_equal(ids, 0)
        x = self.embedding(ids) + self.positions(ops.arange(ops.shape(ids)[1]))
        for number in range(1, TRANSFORMER_BLOCKS + 1):
            x = x + self._attention(number, self._layer("attention_norm", number)(x), read)
            # The exact form, by the error function, is PyTorch's default and not Keras's.
            wide = ops.gelu(
                self._layer("widen", number)(self._layer("dense_norm", number)(x)), approximate=False
            )
            x = x + self._layer("narrow", number)(wide)
        counted = ops.cast(ops.expand_dims(read, -1), x.dtype)
        mean = ops.sum(self.norm(x) * counted, axis=1) / ops.sum(counted, axis=1)
        return self.classify(mean)

    def _attention(self, number: int, x: Any, read: Any) -> Any:
        (count, steps), width = ops.shape(x)[:2], x.shape[2]
        size = width // TRANSFORMER_HEADS
        query, key, value = (
            ops.transpose(
                ops.reshape(self._layer(role, number)(x), (count, steps, TRANSFORMER_HEADS, size)),
                (0, 2, 1, 3),
            )
            for role in ("query", "key", "value")
        )
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / size**0.5
        weights = ops.softmax(ops.where(read[:, None, None, :], scores, MASKED_SCORE), axis=-1)
        heads = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self._layer("mix", number)(ops.reshape(heads, (count, steps, width)))

    def _layer(self, role: str, number: int) -> Any:
        return getattr(self, f"{role}{number}")
