"""What newcomers give as x that is no batch of numbers, and how it becomes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from explain.inputs.naming.brief import brief

_AS_TRAINED = "scaled as in training, for example / 255"


def made_an_array(name: str, value: Any) -> str:
    """Say how a value that is neither an array nor a tensor becomes a batch.

    Parameters
    ----------
    name : str
        The name of the argument.
    value : object
        What the caller gave.

    Examples
    --------
    >>> made_an_array("x", [[0.5, 1.0]])
    "x is a list of 1 value, not an array: give np.array(x, 'float32'), with a batch axis."
    """
    kind = type(value).__name__
    if value is None:
        return f"{name} is None: give a NumPy array or a tensor of the model's framework, with a batch axis."
    if _is_picture(value):
        return (
            f"{name} is a picture of PIL: give an array of the axes that the model takes, {_AS_TRAINED}. For channels "
            f"last that is np.asarray({name}, 'float32')[None] / 255; for channels first also "
            ".transpose(0, 3, 1, 2)."
        )
    if hasattr(value, "to_numpy"):
        return (
            f"{name} is a {kind}, and the model was not fitted on one: give its numbers, {name}.to_numpy('float32')"
            f"{'[None], with a batch axis' if getattr(value, 'ndim', 2) == 1 else ''}."
        )
    if isinstance(value, (list, tuple)) and value:
        first = value[0]
        if _is_picture(first):
            return (
                f"{name} is a {kind} of {len(value)} pictures of PIL: give one array of them, np.stack([np.asarray("
                f"one, 'float32') for one in {name}]), {_AS_TRAINED}, and with its axes in the "
                "order that the model takes."
            )
        if hasattr(first, "__array__"):
            return f"{name} is a {kind} of {len(value)} values of type {type(first).__name__}: give np.stack({name})."
        number = (
            f"{name} is a {kind} of {len(value)} value{'' if len(value) == 1 else 's'}, not an array: give "
        )
        return f"{number}np.array({name}, 'float32'), with a batch axis."
    if hasattr(value, "__array__"):
        return f"{name} is a {kind}, which is not of the model's framework: give np.asarray({name}), with a batch axis."
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes, Mapping)):
        return (
            f"{name} is a {kind}, which gives examples one after another: take one batch of it, batch = "
            f"next(iter({name})), and give its inputs alone, batch[0] where it is a pair of inputs and labels."
        )
    if hasattr(value, "__getitem__") and not isinstance(value, (str, bytes, Mapping)):
        return (
            f"{name} is a {kind}, which gives examples one by one: stack a few, np.stack([{name}[i][0] for i in "
            "range(8)]), the inputs alone where an example is a pair of input and label."
        )
    return (
        f"{name} is of type {kind}: give a NumPy array or a tensor of the model's framework, with a batch axis. (What "
        "a model needs besides its first input goes into forward_kwargs.)"
    )


def made_one_input(shapes: Sequence[tuple[int, ...]], kinds: Sequence[str], rank: int | None = None) -> str:
    """Say how a list or a pair of arrays becomes the one input that a model takes.

    Parameters
    ----------
    shapes : sequence of tuple of int
        The shapes of the arrays.
    kinds : sequence of str
        What they contain: the letter of NumPy, such as "f" for numbers in floating point and "i" for integers.
    rank : int, optional
        The rank of the model's input, its batch axis included, if it states its shape.

    Returns
    -------
    str
        What to give, a part of a sentence.

    Examples
    --------
    >>> made_one_input([(32, 32, 3)] * 5, "fffff")
    'for a batch of these 5 examples give np.stack(x)'
    >>> made_one_input([(8, 3, 32, 32), (8,)], "fi")
    'for a pair of inputs and labels, as a data loader gives it, give x alone, x[0]'
    """
    if are_labels(shapes, kinds):
        return "for a pair of inputs and labels, as a data loader gives it, give x alone, x[0]"
    if len(set(shapes)) == 1:
        first = shapes[0]
        has_batch = len(first) == rank if rank is not None else len(first) > 3 or first[:1] == (1,)
        joined = "np.concatenate(x)" if has_batch else "np.stack(x)"
        return f"for a batch of these {len(shapes)} {'batches' if has_batch else 'examples'} give {joined}"
    if len({len(one) for one in shapes}) == 1:
        return "examples of several shapes need a call each, or one size for all"
    return "give the first alone, x[0], and what the model needs besides it in forward_kwargs"


def are_labels(shapes: Sequence[tuple[int, ...]], kinds: Sequence[str]) -> bool:
    """Tell whether two arrays look like inputs and their labels: one number, or one row of classes, per example."""
    if len(shapes) != 2 or not shapes[0] or shapes[1][:1] != shapes[0][:1]:
        return False
    inputs, labels = shapes
    is_column = len(labels) == 1 or labels[1:] == (1,)
    return len(inputs) > 1 and (
        is_column or (len(labels) == 2 and len(inputs) > 2) or kinds[1] in "iub" != kinds[0]
    )


def no_model(model: Any, is_model: Callable[[Any], bool]) -> str:
    """Say what a value is that was given as a model, and what to give; empty if nothing better is known of it.

    Parameters
    ----------
    model : object
        What the caller gave.
    is_model : callable
        Recognises a model.
    """
    owner = getattr(model, "__self__", None)
    if isinstance(model, type):
        return (
            f"model is the class {model.__name__}, not a model: make one of it, model = {model.__name__}(...), train "
            "it or load its weights, and give that."
        )
    if owner is not None and is_model(owner):
        method = getattr(getattr(model, "__func__", None), "__name__", "call")
        return f"model is the method {method} of a {type(owner).__name__}: give the model itself, without a method."
    inside = [
        name for name, one in getattr(model, "__dict__", {}).items() if name.isidentifier() and is_model(one)
    ]
    if inside and not callable(model):
        return f"model is a {type(model).__name__}, which contains one: give model.{inside[0]}."
    if isinstance(model, Mapping):
        return (
            f"model is a {type(model).__name__} of {len(model)} entries, as a state_dict or a checkpoint: weights do "
            "not say how they are used. Build the model, load them, model.load_state_dict(...), and give the model."
        )
    if isinstance(model, (list, tuple)) and any(map(_is_array, model)):
        return (
            f"model is a {type(model).__name__} of {len(model)} arrays, as the weights of a model: weights do not say "
            "how they are used. Build the model, load them, model.set_weights(...), and give the model."
        )
    if _is_array(model):
        return f"model={brief(model)} is no model: the model comes first, then x."
    return ""


def _is_array(value: Any) -> bool:
    return not callable(value) and hasattr(value, "shape") and hasattr(value, "dtype")


def _is_picture(value: Any) -> bool:
    return any(base.__module__.partition(".")[0] == "PIL" for base in type(value).__mro__)
