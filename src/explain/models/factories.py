"""Functions of the caller's own code that build a model."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

from explain.backends.discovery import extensions
from explain.errors import ExplainError, UnsupportedModelError

Factory = str | Callable[[], Any]

_REMEDY = (
    "The module must be in the current folder or installed, and the function take no arguments: name it as "
    "package.module:function, for example models.net:build."
)


def built(factory: Factory) -> Any:
    """Build the model that a function makes, or give the model that a name refers to.

    Parameters
    ----------
    factory : str or callable
        ``package.module:function``, imported from the current folder or the installed packages; or the function itself,
        or a class. It is called without arguments.

    Raises
    ------
    UnsupportedModelError
        If it cannot be imported, is no function, raises an error, or returns nothing.
    """
    found, name = (imported(factory), factory) if isinstance(factory, str) else (factory, _name_of(factory))
    if _is_model(found):
        return found
    if not callable(found):
        raise UnsupportedModelError(f"{name} is a {type(found).__name__}, which builds no model. {_REMEDY}")
    try:
        model = found()
    except ExplainError:
        raise
    # The caller's function may raise anything.
    except Exception as cause:
        raise UnsupportedModelError(
            f"{name} raised {type(cause).__name__} while it built the model: {cause}"
        ) from cause
    if model is None:
        raise UnsupportedModelError(
            f"{name} returned None: end it with a return of the model that it builds."
        )
    return model


def imported(name: str) -> Any:
    """Import what a name refers to, from the current folder or the installed packages.

    Parameters
    ----------
    name : str
        ``package.module:name``.

    Raises
    ------
    UnsupportedModelError
        If it cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UnsupportedModelError(f"{name} names no function. {_REMEDY}")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        return attrgetter(attribute)(importlib.import_module(module_name))
    except ExplainError:
        raise
    # The caller's module may raise anything while it is imported.
    except Exception as cause:
        raise UnsupportedModelError(
            f"{name} cannot be imported ({type(cause).__name__}: {cause}). {_REMEDY}"
        ) from cause


def _is_model(found: object) -> bool:
    return not isinstance(found, (str, type)) and any(one.recognises(found) for one in extensions())


def _name_of(factory: object) -> str:
    return f"factory={getattr(factory, '__name__', type(factory).__name__)}"
