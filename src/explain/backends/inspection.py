"""The properties of a model that are known without running it, the same in every framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from explain.errors import ExplainError, InputError, LayoutError, ModelCallError, UnsupportedModelError
from explain.inputs.naming.brief import message_of
from explain.inputs.naming.odd_inputs import made_one_input


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A model and its kind.

    Parameters
    ----------
    model : callable
        The object to call: the original behind a wrapper, or the callable of a saved model.
    opaque : bool
        True if its layers cannot be accessed.
    stepwise : bool
        True if it takes one step of a sequence at a time.
    takes_state : bool
        True if its second argument is a state, so that the second of two outputs is the next state.
    fixed_batch_size : int, optional
        The only batch size that it takes.
    """

    model: Any
    opaque: bool
    stepwise: bool = False
    takes_state: bool = False
    fixed_batch_size: int | None = None

    @property
    def has_layers(self) -> bool:
        """Whether its layers can be accessed, and each gives one output for a whole sequence."""
        return not (self.opaque or self.stepwise)


@dataclass(frozen=True)
class Complaint:
    """Why a model cannot take an input.

    Parameters
    ----------
    text : str
        The problem, and what to do.
    is_order : bool
        Whether the order of the axes is wrong.
    """

    text: str
    is_order: bool = False

    def error(self, said: str = "") -> ExplainError:
        """Give the error to raise; `said` is the model's own message, if it was called."""
        return (LayoutError if self.is_order else InputError)(f"The model cannot take x: {self.text}.{said}")


def uncallable_error(name: str, method: str, base: str, parts: Sequence[str]) -> UnsupportedModelError:
    """Give the error for a model whose class does not define how to call it, as a variational autoencoder may.

    Parameters
    ----------
    name, base : str
        The class of the model, and the framework's class of models.
    method : str
        The method that it lacks.
    parts : sequence of str
        The names of its attributes that are layers or models.
    """
    known = f" Its parts are {', '.join(parts)}." if parts else ""
    part = parts[0] if parts else "part"
    return UnsupportedModelError(
        f"model of type {name} defines no {method}, so it cannot be called as a whole.{known} Explain a part, such as "
        f"model.{part}, or a {base} whose {method} calls the parts in order and returns the tensor to explain."
    )


def model_call_error(
    cause: Exception, given: Sequence[tuple[str, tuple[int, ...], str]], names: str | None, last: str = ""
) -> ModelCallError:
    """Give the error for a model that raised.

    Parameters
    ----------
    cause : Exception
        The error that it raised.
    given : sequence of (str, tuple of int, str)
        Name, shape and dtype of each input; the name is empty for an input passed by position.
    names : str, optional
        How several inputs are passed to the model; None for one input.
    last : str
        What else to do, where it is known.
    """
    raised, said = f"The model raised {type(cause).__name__} for", message_of(cause)
    if names is not None:
        shapes = ", ".join(f"{name}{': ' if name else ''}{shape} of {dtype}" for name, shape, dtype in given)
        kinds = ["f" if "float" in dtype else "i" for _, _, dtype in given]
        one = made_one_input([shape for _, shape, _ in given], kinds)
        return ModelCallError(
            f"{raised} inputs of shapes {shapes}: {said}. Does it take these inputs, in this order or by these names? "
            f"{names} If it takes one: {one}."
        )
    ((_, shape, dtype),) = given[:1]
    return ModelCallError(
        f"{raised} an input of shape {shape} and dtype {dtype}: {said}. "
        + (last or "Check the shape and dtype; its arguments besides x go into forward_kwargs.")
    )
