"""The model that a name on the command line stands for: a seed model, a file, or a function that builds it."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from explain.backends.discovery import extensions
from explain.errors import ExplainError, UnsupportedModelError
from explain.zoo import load as load_zoo_model
from explain.zoo import names as zoo_names

_FORMS = (
    "a seed model with its framework (cifar_net@torch), a file (model.keras, model.tflite, or TorchScript as .pt or "
    ".ts), or a function that builds the model (module:function)"
)


@dataclass(frozen=True)
class NamedModel:
    """A model and the information in its name.

    Parameters
    ----------
    model : object
        The model.
    seed_model, framework : str
        Name and framework of a seed model; else empty.
    """

    model: Any
    seed_model: str = ""
    framework: str = ""


def named_model(name: str) -> NamedModel:
    """Load or build the model that a name stands for.

    No file is unpickled. ``module:function`` is imported from the current folder or the installed packages and called:
    it is the caller's own code.

    Parameters
    ----------
    name : str
        ``cifar_net@torch``, ``model.keras``, ``model.pt``, ``module:function``.

    Raises
    ------
    UnsupportedModelError
        If the name stands for no model, or its function raises an error.
    ZooError
        If there is no such seed model or framework.
    FrameworkNotInstalledError
        If the framework of a file or a seed model is not installed.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> named_model("cifar_net@torch").seed_model
    'cifar_net'
    >>> named_model("model.pkl")
    Traceback (most recent call last):
    explain.errors.UnsupportedModelError: model.pkl is none of the files that are read: ...
    """
    suffix = Path(name).suffix.lower()
    for extension in extensions():
        # A third-party extension need not read files.
        if suffix and suffix in getattr(extension, "model_suffixes", ()):
            path = Path(name)
            if not path.exists():
                raise FileNotFoundError(f"There is no file {path}.")
            return NamedModel(extension.load_model(path))
    if ":" in name:
        return NamedModel(_built(name))
    if "@" in name:
        seed, _, framework = name.rpartition("@")
        return NamedModel(load_zoo_model(seed, framework), seed, framework)
    if name in zoo_names():
        raise UnsupportedModelError(
            f"{name} is a seed model in two frameworks: give {name}@torch or {name}@tensorflow."
        )
    if suffix or Path(name).exists():
        raise UnsupportedModelError(
            f"{name} is none of the files that are read: give {_FORMS}. Pickles, and files that PyTorch reads by "
            "pickle (.pth, .pt2), would run code of the file; weights alone (.safetensors, .h5) are no model: load "
            "them in a function."
        )
    raise UnsupportedModelError(f"{name} names no model: give {_FORMS}.")


def _built(name: str) -> Any:
    """Import a module and call the function that builds the model; if the name refers to a model, return it."""
    module_name, _, attribute = name.partition(":")
    remedy = (
        "The module must be in the current folder or installed, and the function take no arguments: name it as "
        "module:function, for example models.net:build."
    )
    if not module_name or not attribute:
        raise UnsupportedModelError(f"{name} names no function. {remedy}")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = attrgetter(attribute)(importlib.import_module(module_name))
    except ExplainError:
        raise
    # The caller's module may raise anything while it is imported.
    except Exception as cause:
        raise UnsupportedModelError(
            f"{name} cannot be imported ({type(cause).__name__}: {cause}). {remedy}"
        ) from cause
    if any(extension.recognises(found) for extension in extensions()):
        return found
    if not callable(found):
        raise UnsupportedModelError(f"{name} is a {type(found).__name__}, which builds no model. {remedy}")
    try:
        return found()
    except ExplainError:
        raise
    except Exception as cause:
        raise UnsupportedModelError(
            f"{name} raised {type(cause).__name__} while it built the model: {cause}"
        ) from cause
