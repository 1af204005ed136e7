"""Whether a Keras model has its weights and can be called, whichever framework Keras runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explain.backends.inspection import uncallable_error
from explain.errors import ModelNotBuiltError
from explain.keras.layers import derives_from, layers_of


def check_complete(model: Any, shape: Sequence[int] | None = None) -> None:
    """Refuse a Keras model that has no `call`, or that would get new random weights when it is called.

    A model that was never called, but whose layers have all their weights, is complete: Keras builds it at the first
    call.

    Parameters
    ----------
    model : keras.Model
        The model.
    shape : sequence of int, optional
        The shape of the first input, batch axis first, if the model has a single input.

    Raises
    ------
    UnsupportedModelError
        If neither the model's class nor a class that it derives from defines `call`.
    ModelNotBuiltError
        If a layer has no weights yet.
    """
    if _has_no_call(model):
        parts = [name for name, value in vars(model).items() if derives_from(value, "Layer")]
        raise uncallable_error(type(model).__name__, "call", "keras.Model", parts)
    layers = layers_of(model)
    missing = [layer for layer in layers if layer is not model and not layer.built and _makes_weights(layer)]
    if not missing or (model.built and model.weights):
        # A built model may have layers that it does not call.
        return
    if derives_from(model, "Sequential"):
        sizes = "*shape_of_one_example" if shape is None else ", ".join(map(str, shape[1:]))
        how = f"model.build((None, {sizes}))"
    else:
        how = "model(batch), with a batch of its inputs,"
    raise ModelNotBuiltError(
        f"The Keras model {model.name!r} is not built: its layer {missing[0].name!r} has no weights yet, since its "
        f"input shape is unknown. Call {how} once, and load the model's weights, which are new and random otherwise."
    )


def _has_no_call(model: Any) -> bool:
    definer = next(base for base in type(model).__mro__ if "call" in vars(base))
    return definer.__name__ in ("Model", "Layer") and definer.__module__.split(".")[0] == "keras"


def _makes_weights(layer: Any) -> bool:
    """Tell whether a layer that is not built yet defines weights when it is; one made of layers leaves it to them."""
    return not getattr(layer.build, "_is_default", False) and not derives_from(layer, "Sequential")
