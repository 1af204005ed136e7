"""The format of a model file, told by its contents: a name may say anything."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from explain.errors import ModelFileError

TITLES = {
    "keras": "a model file of Keras",
    "hdf5": "an HDF5 file",
    "saved_model": "a SavedModel folder",
    "torchscript": "a TorchScript file",
    "torch_export": "an archive of torch.export",
    "torch_pickle": "a file of torch.save",
    "safetensors": "a safetensors file",
    "onnx": "an ONNX file",
    "tflite": "a TFLite file",
}
"""Every format that is recognised, in words."""

# What a file with such a name should be.
_EXPECTED = {
    ".keras": "keras",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".pt2": "torch_export",
    ".ts": "torchscript",
    ".pt": "torchscript",
    ".pth": "torch_pickle",
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".tflite": "tflite",
}
_HDF5, _ZIP, _EMPTY_ZIP, _GZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b"
# The number with which files of torch.save before PyTorch 1.6 begin.
_OLD_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_READ = 4096
_LONGEST_HEADER = 100_000_000
# Weights cannot be packed by more than this; a small archive may hold settings alone.
_MOST_UNPACKED, _LEAST_LIMIT, _MOST_ENTRIES = 20, 1 << 28, 1_000_000


def format_of(path: Path) -> str:
    """Tell the format of a model file or folder from what it contains.

    Parameters
    ----------
    path : pathlib.Path
        It exists.

    Returns
    -------
    str
        A key of `TITLES`; empty if the contents are of none of these, and the name promises none.

    Raises
    ------
    ModelFileError
        If it is damaged, holds no model, or cannot be read without running code of it.
    """
    try:
        if path.is_dir():
            return _of_folder(path)
        if not path.is_file():
            raise ModelFileError(f"{path} is neither a file nor a folder: give a model file.")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_READ)
    except OSError as cause:
        raise ModelFileError(f"{path} cannot be read ({cause.strerror}): check who may read it.") from cause
    if not head:
        raise ModelFileError(f"{path} is empty: copy or save the model again.")
    found = _by_beginning(path, head, size)
    expected = _EXPECTED.get(path.suffix.lower(), "")
    if found or not expected:
        return found
    raise ModelFileError(
        f"{path} is named like {TITLES[expected]}, but its contents are {_described(head)}: copy or save the model "
        "again, or give the file its own suffix."
    )


def _by_beginning(path: Path, head: bytes, size: int) -> str:
    """Tell a format from the first bytes of a file; empty if they tell none."""
    if head.startswith(_HDF5):
        return "hdf5"
    if head.startswith((_ZIP, _EMPTY_ZIP)):
        return _of_archive(path, size)
    if head[4:8] == b"TFL3":
        return "tflite"
    if _is_safetensors(head, size):
        return "safetensors"
    if head.startswith(b"\x80") and len(head) > 1 and head[1] <= 5:
        if head[2:].startswith(_OLD_TORCH):
            return "torch_pickle"
        raise ModelFileError(
            f"{path} is a pickle, and reading one runs code of the file: load the model in a program of your own, and "
            "give explain.attribute the model itself, or name a function that builds it, as package.module:function."
        )
    if path.suffix.lower() == ".onnx" and not _is_text(head) and not head.startswith(_GZIP):
        return "onnx"
    return ""


def _is_safetensors(head: bytes, size: int) -> bool:
    if len(head) < 9:
        return False
    (length,) = struct.unpack("<Q", head[:8])
    return head[8:9] == b"{" and length <= _LONGEST_HEADER


def _of_archive(path: Path, size: int) -> str:
    """Tell the format of a ZIP archive from the names in it, after a look at the sizes that it declares."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    # A damaged directory of an archive raises errors of several kinds.
    except Exception as cause:
        raise ModelFileError(
            f"{path} is damaged or cut off ({cause}): copy or save the model again."
        ) from cause
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_ENTRIES or unpacked > max(_LEAST_LIMIT, _MOST_UNPACKED * size):
        raise ModelFileError(
            f"{path} has {size:,} bytes and declares {unpacked:,} unpacked, which no model file does: it would fill "
            "the memory. Get the model from its source again."
        )
    names = {entry.filename for entry in entries}
    inner = {name.partition("/")[2] for name in names}
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return "keras"
    if "archive_format" in inner or "serialized_exported_program.json" in names:
        return "torch_export"
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "torchscript"
    if "data.pkl" in inner:
        return "torch_pickle"
    kind = "an archive of arrays" if any(name.endswith(".npy") for name in names) else "a ZIP archive"
    raise ModelFileError(
        f"{path} is {kind} and holds no model of Keras or PyTorch: give a model file, or the folder of a SavedModel "
        "unpacked; explain.load reads what Attribution.save wrote."
    )


def _of_folder(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return "saved_model"
    models = sorted(
        one.name
        for one in path.iterdir()
        if one.suffix.lower() in _EXPECTED or (one / "saved_model.pb").is_file()
    )
    inside = f" It contains {', '.join(models[:3])}: give {path / models[0]}" if models else ""
    weights = " (weights alone need factory= too)." if models and models[0].endswith(".safetensors") else "."
    raise ModelFileError(
        f"{path} is a folder without saved_model.pb, so it is no SavedModel."
        + (f"{inside}{weights}" if inside else " Give the folder of a SavedModel, or a model file.")
    )


def _described(head: bytes) -> str:
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (git lfs pull fetches the file itself)"
    if head.startswith(_GZIP):
        return "packed by gzip (unpack them)"
    return "plain text" if _is_text(head) else "of no format that is read, or damaged"


def _is_text(head: bytes) -> bool:
    """Tell whether the beginning of a file is text.

    Examples
    --------
    >>> _is_text(b"layers:\\n"), _is_text(b"\\x08\\x07\\x12")
    (True, False)
    """
    return not any(byte < 32 and byte not in (9, 10, 12, 13) for byte in head) and b"\x7f" not in head
