"""Finds the extension for a model among the installed ones."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from explain.backends.protocol import Extension
from explain.errors import UnsupportedModelError

ENTRY_POINT_GROUP = "explain.backends"


@cache
def extensions() -> tuple[Extension, ...]:
    """Load every registered extension, ours and third parties', sorted by name."""
    found = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return tuple(point.load() for point in found)


def extension_for(model: object, framework: str | None = None) -> Extension:
    """Find the extension for a model from the model's own class, or by name.

    Raises
    ------
    UnsupportedModelError
        If no extension accepts the model or none has that name; the message says which models are accepted.

    Examples
    --------
    >>> extension_for(3)
    Traceback (most recent call last):
    explain.errors.UnsupportedModelError: model is of type int, which no extension accepts. Accepted are: ...
    """
    registered = extensions()
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
            f"framework={framework!r} is not registered; installed extensions are: {names}. "
            f"Another extension registers itself in the entry point group {ENTRY_POINT_GROUP!r}."
        )
    for extension in registered:
        if extension.recognises(model):
            return extension
    accepted = "; ".join(f"{extension.name}: {extension.accepts}" for extension in registered)
    kind = type(model)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    plain = callable(model) and not isinstance(model, type)
    remedy = (
        " For a plain function say what it takes: "
        f"framework={' or '.join(repr(extension.name) for extension in registered)}."
        if plain and registered
        else ""
    )
    raise UnsupportedModelError(
        f"model is of type {name}, which no extension accepts. Accepted are: {accepted}.{remedy}"
    )
