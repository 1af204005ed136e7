"""What the extensions of Keras's own models tell of a model without importing a framework."""

from __future__ import annotations

from typing import Any

from explain.backends.embeddings.readers import is_embedding
from explain.backends.lazy_extension import LazyExtension
from explain.inputs import layout
from explain.inputs.layout import Layout
from explain.keras import inspection
from explain.keras.layers import is_keras_model, layers_of


class KerasExtension(LazyExtension):
    """The base of an extension for Keras models and for functions, whose channels come last."""

    weight_formats: tuple[str, ...] = ("keras", "hdf5", "safetensors")

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give the layout of a first input of rank `ndim`; a Keras layer may have ``channels_first``."""
        if is_keras_model(model):
            return inspection.default_layout(model, ndim)
        return layout.default_layout(ndim, "last")

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give the shape of one example, without the batch axis, if the model states it."""
        return inspection.stated_input_shape(model) if is_keras_model(model) else None

    def reads_token_ids(self, model: Any) -> bool:
        """Tell whether the model has an accessible embedding layer."""
        return is_keras_model(model) and any(map(is_embedding, layers_of(model)))
