"""PyTorch models and weights from files; no code of a file runs when it is read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explain.errors import InputError, ModelFileError
from explain.keras.layers import is_keras_model
from explain.torch_ext.exported_archive import read_exported

# How checkpoints name the weights in them, among counters and the state of an optimizer.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "weights", "net", "ema")
# What wrappers put before the names of a model's weights.
_PREFIXES = ("module.", "_orig_mod.", "model.")


def load_model(path: Path, file_format: str = "torchscript", device: str | None = None) -> Any:
    """Read a TorchScript file, an archive of `torch.export`, or a Keras file where Keras runs on torch.

    Parameters
    ----------
    path : pathlib.Path
        A file that `torch.jit.save`, `torch.export.save` or ``model.save`` wrote.
    file_format : {"torchscript", "torch_export", "keras", "hdf5"}
        What it contains.
    device : str, optional
        Where the model is put; the CPU if left out.

    Returns
    -------
    torch.nn.Module
        The model. A TorchScript model is in the mode, training or inference, in which it was saved.

    Raises
    ------
    ModelFileError
        If it is damaged, or would run code.
    InputError
        If there is no such device.
    """
    place = _device(device)
    if file_format == "torch_export":
        return read_exported(path).to(place)
    if file_format != "torchscript":
        import keras

        from explain.keras.stored.whole_models import read_model

        return read_model(keras, path, file_format)
    read: Callable[..., Any] = torch.jit.load
    try:
        # TorchScript is deprecated, but its files exist. Its reader accepts only tensors and classes of its own.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return read(str(path), map_location=place)
    except (RuntimeError, ValueError) as cause:
        raise ModelFileError(
            f"{path} is not a readable TorchScript file ({_reason(cause)}): copy or save it again. A file of "
            "torch.save is a pickle, and reading a whole model from one runs code of the file: save weights, "
            "model.state_dict(), and give factory='package.module:function'."
        ) from cause


def load_weights(model: Any, path: Path, file_format: str) -> Any:
    """Write the weights in a file to a module, each to its place, and put the module in inference mode.

    Parameters
    ----------
    model : torch.nn.Module
        As a factory built it.
    path : pathlib.Path
        A safetensors file, or one in which `torch.save` stored a ``state_dict`` or a checkpoint that contains one.
    file_format : {"safetensors", "torch_pickle", "keras", "hdf5"}
        What it contains; the last two for a Keras model that runs on torch.

    Raises
    ------
    ModelFileError
        If it is damaged, would run code, or names, shapes or kinds of numbers differ: nothing is then written.
    """
    if file_format in ("keras", "hdf5") or (is_keras_model(model) and file_format == "safetensors"):
        return _weights_of_keras(model, path, file_format)
    if not isinstance(model, nn.Module):
        raise ModelFileError(
            f"{path} holds weights for a torch.nn.Module, and factory builds a {type(model).__name__}: return the "
            "module itself."
        )
    stored = _safetensors(path) if file_format == "safetensors" else _state_dict(path)
    own = model.state_dict()
    stored = _without_prefix(stored, own)
    # Tensors that several layers share are stored once in a safetensors file.
    places = {tensor.data_ptr() for name, tensor in own.items() if name in stored and _has_values(tensor)}
    missing = [
        name
        for name, tensor in own.items()
        if name not in stored and not (_has_values(tensor) and tensor.data_ptr() in places)
    ]
    surplus = [name for name in stored if name not in own]
    if missing or surplus:
        raise ModelFileError(
            f"{path} does not hold the weights of the {type(model).__name__} that factory builds: it lacks "
            f"{_some(missing)}; the model has no place for {_some(surplus)}. Build the model exactly as it was when "
            "the file was saved."
        )
    for name, tensor in stored.items():
        _check_fit(path, name, tensor, own[name])
    model.load_state_dict(stored, strict=False)
    return model.eval()


def _weights_of_keras(model: Any, path: Path, file_format: str) -> Any:
    """Write the weights in a file to a Keras model that runs on torch."""
    from explain.keras.stored.named_tensors import write_tensors
    from explain.keras.stored.whole_models import write_weights

    if not is_keras_model(model):
        raise ModelFileError(
            f"{path} holds weights of Keras, and factory builds a {type(model).__name__}: build the Keras model, and "
            "copy its weights to the PyTorch model by explain.port."
        )
    return (
        write_tensors(model, path)
        if file_format == "safetensors"
        else write_weights(model, path, file_format)
    )


def _check_fit(path: Path, name: str, tensor: Tensor, own: Tensor) -> None:
    if _has_values(own) and tensor.shape != own.shape:
        raise ModelFileError(
            f"{path} has {name} of shape {tuple(tensor.shape)}, and the model that factory builds has "
            f"{tuple(own.shape)}: build the model exactly as it was when the file was saved."
        )
    if tensor.is_floating_point() != own.is_floating_point():
        raise ModelFileError(
            f"{path} has {name} as {tensor.dtype}, and the model that factory builds as {own.dtype}, so its numbers "
            "mean something else: give the layers of the model the types of numbers that they were saved with."
        )


def _has_values(tensor: Tensor) -> bool:
    """Tell whether a tensor has a shape: that of a lazy layer has none yet."""
    return not nn.parameter.is_lazy(tensor) and tensor.numel() > 0


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as cause:
        raise ModelFileError(
            f"{path} is a damaged safetensors file ({_reason(cause)}): copy or save it again."
        ) from cause


def _state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights in a file of `torch.save` by the reader that accepts tensors and plain values alone."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    # Damage and classes that are not plain values raise errors of several kinds.
    except Exception as cause:
        raise ModelFileError(
            f"{path} contains more than weights, or is damaged ({_reason(cause)}): reading it would run code of the "
            "file. Save the weights alone, torch.save(model.state_dict(), ...), or as safetensors."
        ) from cause
    if _is_weights(found):
        return dict(found)
    inside = (
        {key: found[key] for key in _WEIGHTS if _is_weights(found.get(key))}
        if isinstance(found, Mapping)
        else {}
    )
    if len(inside) == 1:
        return dict(*inside.values())
    what = f"{len(inside)} sets of weights, {', '.join(map(repr, inside))}" if inside else "no state_dict"
    raise ModelFileError(
        f"{path} contains {what} ({_contents(found)}), so which weights are meant cannot be told: save them alone, "
        "torch.save(model.state_dict(), ...)."
    )


def _contents(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"a dict with the keys {_some([str(key) for key in found])}"
    return f"a {type(found).__name__}"


def _is_weights(found: Any) -> bool:
    return (
        isinstance(found, Mapping)
        and bool(found)
        and all(isinstance(name, str) and isinstance(one, Tensor) for name, one in found.items())
    )


def _without_prefix(stored: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors under a model's own names, where all names have the prefix of one wrapper before them."""
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in stored) and not stored.keys() & own.keys():
            return _without_prefix({name.removeprefix(prefix): one for name, one in stored.items()}, own)
    return stored


def _device(name: str | None) -> torch.device:
    try:
        place = torch.device(name or "cpu")
        torch.empty(0, device=place)
    # A device that is not there raises what its part of PyTorch raises.
    except Exception as cause:
        raise InputError(
            f"device={name!r} is none that PyTorch has here ({_reason(cause)}): leave device out, or "
            "give another."
        ) from cause
    return place


def _some(names: list[str]) -> str:
    return (", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")) or "nothing"


def _reason(cause: Exception) -> str:
    """Give the first sentence of an error of PyTorch: later ones may advise to switch its safety off."""
    line = str(cause).strip().partition("\n")[0]
    return line.partition(". ")[0].rstrip(".")[:300]
