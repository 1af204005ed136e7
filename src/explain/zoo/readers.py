"""Reads the file formats of the data sets. None of these formats can run code."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import DataError
from explain.zoo.preprocessing import plain_letters

Pictures = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_CIFAR_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_CIFAR_TEST = ("test_batch.bin",)
_CIFAR_RECORD = 1 + 3 * 32 * 32


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert the standard library's errors for a damaged file to one error with a remedy."""
    try:
        yield
    except DataError:
        raise
    except (
        OSError,
        EOFError,
        KeyError,
        ValueError,
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
    ) as cause:
        raise DataError(
            f"{path} cannot be read ({cause}). It is damaged or not the file it should be: put a good copy "
            "in its place, or delete it to have it downloaded again."
        ) from cause


def read_jpeg_archive(path: Path, split: str, classes: tuple[str, ...]) -> tuple[Pictures, Labels]:
    """Read one split of a zip of JPEG pictures laid out as ``SPLIT/CLASS/NAME.jpg``.

    Parameters
    ----------
    path : pathlib.Path
        The zip file.
    split : {"train", "test"}
        The split to read.
    classes : tuple of str
        The names of the folders, in the order of their labels.

    Returns
    -------
    pictures : numpy.ndarray of uint8, shape (N, H, W, 3)
    labels : numpy.ndarray of int64, shape (N,)

    Raises
    ------
    DataError
        If the file cannot be read, has no such split or an unknown class.
    """
    from PIL import Image

    pictures, labels = [], []
    with _readable(path), zipfile.ZipFile(path) as archive:
        for member in sorted(archive.namelist()):
            parts = member.split("/")
            if len(parts) != 3 or parts[0] != split or not parts[2].endswith(".jpg"):
                continue
            labels.append(classes.index(parts[1]))
            with Image.open(io.BytesIO(archive.read(member))) as picture:
                pictures.append(np.asarray(picture.convert("RGB")))
        if not pictures:
            raise ValueError(f"no picture under {split}/CLASS/")
        return np.stack(pictures), np.array(labels, dtype=np.int64)


def read_cifar_binary(path: Path, split: str) -> tuple[Pictures, Labels]:
    """Read one split of the binary version of CIFAR-10.

    Parameters
    ----------
    path : pathlib.Path
        ``cifar-10-binary.tar.gz`` as its authors publish it.
    split : {"train", "test"}
        The split to read.

    Returns
    -------
    pictures : numpy.ndarray of uint8, shape (N, 32, 32, 3)
    labels : numpy.ndarray of int64, shape (N,)

    Raises
    ------
    DataError
        If the file cannot be read or is not of that format.
    """
    records = []
    with _readable(path), tarfile.open(path, "r:gz") as archive:
        for batch in _CIFAR_TRAIN if split == "train" else _CIFAR_TEST:
            member = archive.extractfile(f"cifar-10-batches-bin/{batch}")
            if member is None:
                raise ValueError(f"{batch} is not a file")
            content = np.frombuffer(member.read(), dtype=np.uint8)
            if content.size == 0 or content.size % _CIFAR_RECORD:
                raise ValueError(f"{batch} has {content.size} bytes, not a multiple of {_CIFAR_RECORD}")
            records.append(content.reshape(-1, _CIFAR_RECORD))
    stacked = np.concatenate(records)
    pictures = stacked[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures), stacked[:, 0].astype(np.int64)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes, the format of MNIST and similar data sets.

    Parameters
    ----------
    path : pathlib.Path
        The ``.gz`` file.

    Returns
    -------
    numpy.ndarray of uint8
        The values, in the shape that the file states.

    Raises
    ------
    DataError
        If the file cannot be read, is not of that format or is truncated.
    """
    with _readable(path):
        content = gzip.decompress(path.read_bytes())
        if len(content) < 4 or content[:3] != b"\x00\x00\x08":
            raise ValueError("it does not start as an IDX file of unsigned bytes does")
        rank = content[3]
        shape: Any = np.frombuffer(content, dtype=">u4", count=rank, offset=4)
        values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank)
        if values.size != int(np.prod(shape)):
            raise ValueError(f"it states the shape {tuple(shape.tolist())} but holds {values.size} values")
        return values.reshape(tuple(shape.tolist()))


def read_names(folder: Path, languages: tuple[str, ...]) -> list[list[str]]:
    """Read the names of every language without accents, each once per language and in alphabetical order.

    The files repeat names (the Arabic file has 108 different names on 2000 lines). A name in both the training set and
    the test set would let the test accuracy measure memorisation.

    Parameters
    ----------
    folder : pathlib.Path
        A folder with the files ``LANGUAGE.txt``, UTF-8, one name per line.
    languages : tuple of str
        The languages, in the order of their labels.

    Returns
    -------
    list of list of str
        One list per language.

    Raises
    ------
    DataError
        If a file is missing, is not UTF-8 or has no name.
    """
    every_language = []
    for language in languages:
        path = folder / f"{language}.txt"
        with _readable(path):
            lines = path.read_text(encoding="utf-8").splitlines()
            names = sorted({plain_letters(line) for line in lines} - {""})
            if not names:
                raise ValueError("it has no name")
            every_language.append(names)
    return every_language
