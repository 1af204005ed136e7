"""Copies a Keras model, and puts its variables back; does not import Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from explain.keras.layers import class_name, is_keras_model, layers_of

# Their call is a function, or another framework's, which may hold tensors that no list of variables has.
_OPAQUE = ("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
_PLAIN = (bool, int, float, str, type(None))


def copied(model: Any) -> Any | None:
    """Give a copy of a Keras model with variables of its own; None where no copy is sure to compute the same.

    A copy is made of a Functional or Sequential model of Keras's own layers: its configuration says all that they do.
    Another model's code may hold what its configuration does not say. Random states change, since new variables are
    drawn before they are given their values.

    Parameters
    ----------
    model : object
        A model.
    """
    if not is_keras_model(model) or not all(map(_is_stock, layers_of(model))):
        return None
    try:
        copy = type(model).from_config(model.get_config())
        for own, other in zip(model.variables, copy.variables, strict=True):
            if own is other or (own.name, own.dtype, own.shape) != (other.name, other.dtype, other.shape):
                return None
            other.assign(own.value if hasattr(other, "value") and not callable(other.value) else own)
    # Configurations refuse in many ways what they cannot say, such as a function as an activation.
    except Exception:
        return None
    for name, value in vars(model).items():
        if name[0] != "_" and name not in vars(copy) and _is_plain(value):
            # What a user wrote beside the model, such as its input_bounds.
            setattr(copy, name, value)
    return copy


def _is_stock(layer: Any) -> bool:
    own = type(layer).__module__.split(".")[0] in ("keras", "tf_keras")
    return own and class_name(layer) not in _OPAQUE and "call" not in vars(layer)


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (type(value) is tuple and all(map(_is_plain, value)))


@contextmanager
def preserved_variables(variables: Sequence[Any], copy_of: Callable[[Any], Any]) -> Iterator[None]:
    """Put the values of variables back on any exit, bit for bit.

    Parameters
    ----------
    variables : sequence
        Variables of Keras, or of the framework that it runs on.
    copy_of : callable
        From a variable to a tensor with its value, which does not change with it.
    """
    distinct = list({id(one): one for one in variables}.values())
    before = [copy_of(one) for one in distinct]
    try:
        yield
    finally:
        for variable, value in zip(distinct, before, strict=True):
            variable.assign(value)
