"""Finds the extension for a model among the installed ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from inspect import isbuiltin, isfunction, ismethod
from os import PathLike, fspath
from typing import Any

from explain.backends.protocol import Extension
from explain.errors import UnsupportedModelError
from explain.inputs.naming.brief import brief
from explain.inputs.naming.odd_inputs import no_model

ENTRY_POINT_GROUP = "explain.backends"

# Our own, as pyproject.toml registers them: a checkout on the path that is not installed has no entry points.
_OWN = {
    "jax": "explain.jax_ext.extension:extension",
    "numpy": "explain.numpy_ext.extension:extension",
    "tensorflow": "explain.tf_ext.extension:extension",
    "torch": "explain.torch_ext.extension:extension",
}


@cache
def extensions() -> tuple[Extension, ...]:
    """Load every registered extension, ours and third parties', sorted by name."""
    registered = {(point.name, point.value): point for point in entry_points(group=ENTRY_POINT_GROUP)}
    own = {item: EntryPoint(*item, ENTRY_POINT_GROUP) for item in _OWN.items()}
    found = sorted((own | registered).items())
    return tuple(point.load() for _, point in found)


def extension_for(model: object, framework: str | None = None) -> Extension:
    """Find the extension for a model from the model's own class, or by name.

    Raises
    ------
    UnsupportedModelError
        If no extension accepts the model or none has that name; the message says which models are accepted.

    Examples
    --------
    >>> extension_for(None)
    Traceback (most recent call last):
    explain.errors.UnsupportedModelError: model=None of type NoneType is no model: give one model, ...
    """
    registered = extensions()
    if isinstance(model, (str, PathLike)) and not _is_recognised(model):
        raise _path_error(fspath(model))
    if framework is not None:
        for extension in registered:
            if isinstance(framework, str) and extension.name == framework:
                if not (callable(model) or extension.recognises(model)):
                    raise UnsupportedModelError(
                        f"model is of type {type(model).__name__}, which is not a model and cannot be called. "
                        f"{framework} accepts {extension.accepts}."
                    )
                return extension
        names = ", ".join(repr(extension.name) for extension in registered)
        raise UnsupportedModelError(
            f"framework={brief(framework)} is not registered; installed extensions are: {names}. "
            f"Another extension registers itself in the entry point group {ENTRY_POINT_GROUP!r}."
        )
    for extension in registered:
        if extension.recognises(model):
            return extension
    if isinstance(model, partial) and _is_recognised(model.func):
        raise UnsupportedModelError(
            f"model is a functools.partial of a {type(model.func).__name__}, which this call cannot take apart: give "
            "the model itself, or one that calls it with these arguments."
        )
    known = no_model(model, _is_recognised)
    if known:
        raise UnsupportedModelError(known)
    frameworks = " or ".join(repr(extension.name) for extension in registered)
    if isfunction(model) or isbuiltin(model) or ismethod(model):
        named = " or ".join(f"framework={extension.name!r}" for extension in registered)
        name = getattr(model, "__name__", "function").replace("<lambda>", "lambda")
        raise UnsupportedModelError(
            f"model is a function, {name}, which may take arrays of any kind: say of which framework they are, "
            f"{named}; or give the model that it calls, of which more methods work."
        )
    if model is None or isinstance(model, (list, tuple, set, int, float, complex, bytes)):
        raise UnsupportedModelError(
            f"model={brief(model)} of type {type(model).__name__} is no model: give one model, such as a "
            "torch.nn.Module, a keras.Model, a scikit-learn estimator, or what explain.load_model(path) gives."
        )
    accepted = "; ".join(f"{extension.name}: {extension.accepts}" for extension in registered)
    kind = type(model)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    remedy = f" For a plain function say what it takes: framework={frameworks}." if callable(model) else ""
    raise UnsupportedModelError(
        f"model is of type {name}, which no extension accepts. Accepted are: {accepted}.{remedy}"
    )


def check_order(model: object, x: object) -> None:
    """Refuse a model and an input that are swapped.

    Raises
    ------
    UnsupportedModelError
        If `x` is a model and `model` is none.
    """
    if not callable(model) and not _is_recognised(model) and _is_recognised(x):
        raise UnsupportedModelError(
            f"model={brief(model)} and x, a {type(x).__name__}, are swapped: the model comes first, then x."
        )


def without_partial(model: Any, forward_kwargs: Any = None) -> tuple[Any, Any]:
    """Take a model out of `functools.partial`, whose keyword arguments go before those of the caller.

    Parameters
    ----------
    model : object
        The model; a partial of a plain function stays as it is.
    forward_kwargs : Mapping, optional
        The keyword arguments of the model that the caller gives.

    Returns
    -------
    (object, object)
        The model and its keyword arguments.

    Raises
    ------
    UnsupportedModelError
        If the partial has arguments by position, which would come before x.
    """
    if not isinstance(model, partial) or not _is_recognised(model.func):
        return model, forward_kwargs
    if model.args:
        raise UnsupportedModelError(
            f"model is a functools.partial of a {type(model.func).__name__} with {len(model.args)} argument"
            f"{'s' if len(model.args) > 1 else ''} by position, which come before x: name them, "
            "functools.partial(model, name=value), or give them in forward_kwargs."
        )
    if not model.keywords or not isinstance(forward_kwargs or {}, Mapping):
        return model.func, forward_kwargs
    return model.func, {**model.keywords, **(forward_kwargs or {})}


def models_inside(model: Any, outer: Extension) -> list[str]:
    """Name the attributes of a model that are models of another extension, as of an estimator that trains a network.

    Parameters
    ----------
    model : object
        The model, or a method of it.
    outer : Extension
        The extension of the model itself.
    """
    owner = getattr(model, "__self__", model)
    return [
        f"its {name} (a {type(one).__name__})"
        for name, one in getattr(owner, "__dict__", {}).items()
        if any(extension is not outer and extension.recognises(one) for extension in extensions())
        and _is_trained(one)
    ]


def _is_trained(model: Any) -> bool:
    """Tell whether a model has weights, which the loss beside a network, a module too, has not."""
    parameters = getattr(model, "parameters", None)
    return not callable(parameters) or any(True for _ in parameters())


def _path_error(source: str) -> UnsupportedModelError:
    """Say that a model must be loaded before it is given."""
    return UnsupportedModelError(
        f"model is {source!r}, the name of a model: load it first, model = explain.load_model({source!r}), which reads "
        "Keras, SavedModel, TorchScript, torch.export, ONNX and TFLite files without running code of them."
    )


def _is_recognised(model: object) -> bool:
    return any(extension.recognises(model) for extension in extensions())
