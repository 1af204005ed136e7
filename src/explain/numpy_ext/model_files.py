"""ONNX and TFLite models from files: graphs of numeric operations, which contain no code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from explain.errors import FrameworkNotInstalledError, InputError, ModelFileError
from explain.numpy_ext.interpreters import interpreter_of


def onnx_session(path: Path, device: str | None = None) -> Any:
    """Open an ONNX model with ONNX Runtime.

    Parameters
    ----------
    path : pathlib.Path
        A file with an ONNX graph; its weights may be in files beside it.
    device : str, optional
        ``"cpu"``, or the beginning of the name of another provider of ONNX Runtime, such as ``"cuda"``.

    Returns
    -------
    onnxruntime.InferenceSession
        The model: it gives scores, and no gradients.

    Raises
    ------
    FrameworkNotInstalledError
        If ONNX Runtime is not installed.
    ModelFileError
        If the file is damaged, or uses operations that ONNX Runtime does not have.
    InputError
        If there is no such device.
    """
    try:
        import onnxruntime
    except ImportError as cause:
        raise FrameworkNotInstalledError(
            f"{path} is an ONNX model, but the package that reads it is not installed ({cause}): pip install "
            "onnxruntime."
        ) from cause
    available = onnxruntime.get_available_providers()
    wanted = [one for one in available if one.lower().startswith((device or "cpu").partition(":")[0].lower())]
    if not wanted:
        raise InputError(
            f"device={device!r} is none that ONNX Runtime has here: give one of "
            f"{', '.join(repr(one.removesuffix('ExecutionProvider').lower()) for one in available)}."
        )
    try:
        return onnxruntime.InferenceSession(str(path), providers=wanted)
    # Each kind of damage raises another exception of ONNX Runtime's own.
    except Exception as cause:
        raise ModelFileError(
            f"{path} is not a readable ONNX model ({first_line(cause)}): export it again, and copy the files of its "
            "weights with it if it has such."
        ) from cause


def tflite_interpreter(path: Path, device: str | None = None) -> Any:
    """Open a TFLite model with the interpreter of LiteRT.

    Parameters
    ----------
    path : pathlib.Path
        A file with a TFLite model.
    device : str, optional
        ``"cpu"`` at most.

    Raises
    ------
    ModelFileError
        If the file is damaged, or uses operations that LiteRT does not have.
    InputError
        If another device is named.
    """
    if device not in (None, "cpu"):
        raise InputError(f"device={device!r}: TFLite models run on the CPU; leave device out.")
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            interpreter = interpreter_of(path)
            interpreter.allocate_tensors()
        return interpreter
    except (ValueError, RuntimeError) as cause:
        raise ModelFileError(
            f"{path} is not a readable TFLite model ({first_line(cause)}): convert or copy it again."
        ) from cause


def first_line(cause: Exception) -> str:
    """Give the first line of an error of a library, without its full stop."""
    return str(cause).strip().partition("\n")[0].rstrip(".")[:300]
