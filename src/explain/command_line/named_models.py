"""A model from the name that a command line gives it: a seed model, a file, or a function that builds it."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from explain import zoo
from explain.backends.discovery import extensions
from explain.errors import ExplainError, UnsupportedModelError

_FORMS = (
    "a seed model with its framework (cifar_net@torch), a file (model.keras, or TorchScript as .pt or .ts), or a "
    "function that builds the model (module:function)"
)


@dataclass(frozen=True)
class NamedModel:
    """A model and what its name says of it.

    Parameters
    ----------
    model : object
        The model.
    seed_model, framework : str
        Of a seed model: its name, and the framework that was asked for; else empty.
    """

    model: Any
    seed_model: str = ""
    framework: str = ""


def named_model(name: str) -> NamedModel:
    """Load or build the model of a name.

    No file is unpickled. ``module:function`` is imported from the current folder or what is installed, and called: it
    is the caller's own code.

    Parameters
    ----------
    name : str
        ``cifar_net@torch``, ``model.keras``, ``model.pt``, ``module:function``.

    Raises
    ------
    UnsupportedModelError
        If it names no model that can be had so, or its function raises an error.
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
        # Extensions of others need not read files.
        if suffix and suffix in getattr(extension, "model_suffixes", ()):
            path = Path(name)
            if not path.exists():
                raise FileNotFoundError(f"There is no file {path}.")
            return NamedModel(extension.load_model(path))
    if ":" in name:
        return NamedModel(_built(name))
    if "@" in name:
        seed, _, framework = name.rpartition("@")
        return NamedModel(zoo.load(seed, framework), seed, framework)
    if name in zoo.names():
        raise UnsupportedModelError(
            f"{name} is a seed model in two frameworks: say {name}@torch or {name}@tensorflow."
        )
    if suffix or Path(name).exists():
        raise UnsupportedModelError(
            f"{name} is none of the files that are read: give {_FORMS}. Pickles, and what PyTorch reads by pickle "
            "(.pth, .pt2), would run code of the file; weights alone (.safetensors, .h5) are no model: load them in a "
            "function."
        )
    raise UnsupportedModelError(f"{name} names no model: give {_FORMS}.")


def _built(name: str) -> Any:
    """Import a module and call the function that builds the model; a model that is there already is taken."""
    module_name, _, attribute = name.partition(":")
    remedy = (
        "It is looked for in the current folder and among what is installed: name it as module:function, for example "
        "models.net:build, and let it take no arguments."
    )
    if not module_name or not attribute:
        raise UnsupportedModelError(f"{name} names no function. {remedy}")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = attrgetter(attribute)(importlib.import_module(module_name))
    except ExplainError:
        raise
    # It is foreign code, which may raise anything while it is imported.
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
