"""One reader of models: from a file, from a function that builds one, or from the zoo."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explain.backends.discovery import extension_for, extensions
from explain.backends.protocol import Extension
from explain.errors import InputError, MissingFileError, ModelFileError, UnsupportedModelError
from explain.models.factories import Factory, built
from explain.models.formats import TITLES, format_of
from explain.public_calls.callers_line import at_callers_line
from explain.zoo import load as load_zoo_model
from explain.zoo import names as zoo_names

_FORMS = (
    "a model file (.keras, .h5, TorchScript or torch.export, .onnx, .tflite), a SavedModel folder, weights "
    "(.safetensors, a state_dict) with factory='package.module:function', such a function alone, or a seed model as "
    "zoo:cifar_net@torch"
)
# What holds weights alone, and no model around them.
_WEIGHTS_ALONE = ("safetensors", "torch_pickle")
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class OpenedModel:
    """A model, and what its source tells of it.

    Parameters
    ----------
    model : object
        The model.
    seed_model, framework : str
        Name and framework of a seed model; else empty.
    path : pathlib.Path, optional
        The file or folder that was read.
    """

    model: Any
    seed_model: str = ""
    framework: str = ""
    path: Path | None = None


@at_callers_line
def load_model(
    source: str | os.PathLike[str], *, factory: Factory | None = None, device: str | None = None
) -> Any:
    """Read a model from a file, running no code of the file, or from a function that builds it.

    The contents decide what a file is, not its suffix. Nothing is unpickled: Keras files are read in its safe mode,
    files of ``torch.save`` by its reader of weights. What would need code of the file is refused. No framework is
    imported for a file that is not its own. Formats and limits are on the page *Models on disk* of the guides.

    Parameters
    ----------
    source : str or os.PathLike
        A file or folder: ``.keras``, a whole model in ``.h5``, the folder of a SavedModel, TorchScript (``.pt``,
        ``.ts``), ``torch.export`` (``.pt2``), ``.onnx``, ``.tflite``; weights, with `factory`; or
        ``"package.module:function"``, imported from the current folder or the installed packages and called, since it
        is your own code; or ``"zoo:cifar_net@torch"``, a seed model. A file that exists goes before a name.
    factory : str or callable, optional
        For a file of weights, ``.safetensors``, a ``state_dict`` of PyTorch or ``.weights.h5``: builds the model,
        without arguments, as ``"package.module:function"`` or the function itself. Every weight of the model must be in
        the file, and no other. Also for a ``.keras`` or ``.h5`` file whose layers need code: its weights alone are
        then read.
    device : str, optional
        Where the model computes, for example ``"cuda"``; its framework's own choice if left out.

    Returns
    -------
    object
        The model, which `attribute` and the other functions accept; of PyTorch in inference mode where the file does
        not keep the mode.

    Raises
    ------
    explain.errors.ModelFileError
        If a file holds no model, is damaged, needs `factory`, or cannot be read without running code of it.
    explain.errors.UnsupportedModelError
        If `source` names no model, or a function fails to build it.
    explain.errors.MissingFileError
        If there is no such file.
    explain.errors.FrameworkNotInstalledError
        If the framework of the file is not installed.

    Examples
    --------
    >>> import explain
    >>> model = explain.load_model("zoo:cifar_net@torch")
    >>> type(model).__name__
    'Sequential'
    >>> explain.load_model("cat.keras")
    Traceback (most recent call last):
    explain.errors.MissingFileError: There is no file cat.keras in ...
    """
    return opened_model(source, factory=factory, device=device).model


def opened_model(
    source: str | os.PathLike[str], *, factory: Factory | None = None, device: str | None = None
) -> OpenedModel:
    """Read a model as `load_model` does, and give what its source tells of it.

    Parameters
    ----------
    source, factory, device
        As for `load_model`. ``"cifar_net@torch"`` is a seed model too.

    Examples
    --------
    >>> opened_model("cifar_net@torch").seed_model
    'cifar_net'
    """
    if not isinstance(source, (str, os.PathLike)):
        raise UnsupportedModelError(
            f"source is of type {type(source).__name__}: give {_FORMS}. A model that you have needs no loading."
        )
    text = os.fsdecode(source)
    if "://" in text:
        raise UnsupportedModelError(f"{text} is an address: download the file first, and give its path.")
    if not text:
        raise UnsupportedModelError(f"source is empty: give {_FORMS}.")
    path = Path(text).expanduser()
    if isinstance(source, os.PathLike) or _is_there(path):
        return OpenedModel(_read(path, factory, device), path=path)
    if text.startswith("zoo:") or ("@" in text and ":" not in text):
        seed, _, framework = text.removeprefix("zoo:").rpartition("@")
        if not seed:
            raise UnsupportedModelError(
                f"{text} says no framework: give zoo:{framework}@torch or zoo:{framework}@tensorflow."
            )
        _refuse_factory(text, factory)
        return OpenedModel(_on_device(load_zoo_model(seed, framework), device), seed, framework)
    if ":" in text and not _WINDOWS_DRIVE.match(text):
        _refuse_factory(text, factory)
        return OpenedModel(_on_device(built(text), device))
    if text in zoo_names():
        raise UnsupportedModelError(
            f"{text} is a seed model in two frameworks: give zoo:{text}@torch or zoo:{text}@tensorflow."
        )
    if path.suffix or len(path.parts) > 1:
        raise _missing(path)
    raise UnsupportedModelError(f"{text!r} names no model, and no file of this name exists: give {_FORMS}.")


def _read(path: Path, factory: Factory | None, device: str | None) -> Any:
    """Read a file or folder."""
    if not _is_there(path):
        raise _missing(path)
    own = _with_own_format(path)
    if own is not None:
        if factory is not None:
            raise _whole_error(path, f"a file of {own.name}")
        return own.load_model(path)
    file_format = format_of(path)
    if path.suffix == ".py":
        raise ModelFileError(
            f"{path} is a Python file: name a function in it that builds the model, for example {path.stem}:build."
        )
    if not file_format:
        raise ModelFileError(f"{path} is none of the files that are read: give {_FORMS}.")
    if factory is not None:
        return _with_weights(path, file_format, factory, device)
    if file_format in _WEIGHTS_ALONE:
        raise ModelFileError(
            f"{path} is {TITLES[file_format]}, which holds weights and no model around them (a whole model in a file "
            "of torch.save is a pickle, which would run code): give factory='package.module:function', a function "
            "that builds the model, and save weights alone, model.state_dict()."
        )
    for extension in extensions():
        if file_format in getattr(extension, "model_formats", ()):
            return extension.load_model(path, file_format, device)
    raise ModelFileError(f"{path} is {TITLES[file_format]}, which no installed extension reads.")


def _with_weights(path: Path, file_format: str, factory: Factory, device: str | None) -> Any:
    """Build a model, and give it the weights in a file."""
    model = built(factory)
    extension = extension_for(model)
    readable = getattr(extension, "weight_formats", ())
    if file_format not in readable:
        if file_format in ("onnx", "tflite", "saved_model", "torchscript", "torch_export"):
            raise _whole_error(path, TITLES[file_format])
        raise ModelFileError(
            f"{path} is {TITLES[file_format]}, and factory builds a {type(model).__name__}, which {extension.name} "
            f"cannot give weights from it: {_readable(readable)}"
        )
    return _on_device(extension.load_weights(model, path, file_format), device)


def _readable(formats: tuple[str, ...]) -> str:
    if not formats:
        return "return the model with its weights from the factory, and leave the file out."
    return f"give {' or '.join(TITLES[one] for one in formats)}."


def _on_device(model: Any, device: str | None) -> Any:
    """Give a model on a device."""
    if device is None:
        return model
    mover = getattr(model, "to", None)
    if not callable(mover):
        raise InputError(
            f"device={device!r} applies to a file that is read and to models of PyTorch, and this is a "
            f"{type(model).__name__}: build it on this device, and leave device out."
        )
    try:
        return mover(device)
    # A device that is not there raises what its part of PyTorch raises.
    except Exception as cause:
        raise InputError(
            f"device={device!r} is none that PyTorch has here ({str(cause).partition(chr(10))[0]}): leave device out, "
            "or give another."
        ) from cause


def _with_own_format(path: Path) -> Extension | None:
    """Give the extension that claims the suffix of a file for a format of its own."""
    suffix = path.suffix.lower()
    return next(
        (one for one in extensions() if suffix and suffix in getattr(one, "model_suffixes", ())), None
    )


def _refuse_factory(text: str, factory: Factory | None) -> None:
    if factory is not None:
        raise InputError(
            f"factory goes with a file of weights, but {text} builds a model with its own: leave factory out."
        )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    # A name may be too long for a file's, or contain a zero.
    except (OSError, ValueError):
        return False


def _missing(path: Path) -> MissingFileError:
    folder = "" if path.is_absolute() else f" in {Path.cwd()}"
    return MissingFileError(f"There is no file {path}{folder}: check the name.")


def _whole_error(path: Path, title: str) -> ModelFileError:
    return ModelFileError(f"{path} is {title}, a whole model, which needs no factory: leave factory out.")
